# edgecore-kernels-check compares the kernels with the core on the CPU; edgecore-gpu-check does it on a real GPU and
# measures. Both are tests of the sources here and belong to no module: one CMakeLists.txt includes this.
set(folder "${CMAKE_CURRENT_LIST_DIR}/..")

add_executable(edgecore-kernels-check
  "${folder}/tests/kernels_check.cc"
  "${folder}/tests/picture_cases.cc"
  "${folder}/tests/host_kernels.cc"
  "${folder}/kernels/choose_image.cc"
  "${folder}/picture_plan.cc"
)

add_executable(edgecore-gpu-check
  "${folder}/tests/gpu_check.cc"
  "${folder}/tests/gpu_jpeg.cc"
  "${folder}/tests/gpu_pictures.cc"
  "${folder}/tests/gpu_timing.cc"
  "${folder}/tests/gpu_video.cc"
  "${folder}/tests/picture_cases.cc"
  "${folder}/cuda.cc"
  "${folder}/device_picture.cc"
  "${folder}/jpeg.cc"
  "${PROJECT_SOURCE_DIR}/src/jpeg_header.cc"
  "${folder}/picture_plan.cc"
  "${folder}/preprocess.cc"
  "${folder}/surface.cc"
  "${folder}/surface_views.cc"
  "${folder}/video.cc"
)
edgecore_add_device_code(edgecore-gpu-check 10)

foreach(program IN ITEMS edgecore-kernels-check edgecore-gpu-check)
  edgecore_compile_options(${program})
  target_include_directories(${program} PRIVATE "${folder}" "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${program} PRIVATE edgecore::edgecore ${CMAKE_DL_LIBS})
  set_target_properties(${program}
    PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY "${EDGECORE_BUILD_BIN_DIR}"
      INSTALL_RPATH "$ORIGIN/../lib"
  )
  install(TARGETS ${program} RUNTIME DESTINATION bin COMPONENT tests)
endforeach()
