# edgecore-surface-check: our view of NvBufSurface against the maker's own library, see test_surface.py.
# edgecore-surface-prepare: its pictures made into input by an engine, on stand-ins for the libraries of a Jetson.
set(folder "${CMAKE_CURRENT_LIST_DIR}/..")

edgecore_add_stub(tensorrt10 libnvbufsurface.so
  "${folder}/tests/stand_in/branches.cc"
  "${folder}/tests/stand_in/ledger.cc"
  "${folder}/tests/stand_in/nvbufsurface.cc"
  STUB_FOLDER nvbufsurface
)
target_include_directories(${target} PRIVATE "${folder}")
target_link_libraries(${target} PRIVATE Threads::Threads)
edgecore_add_stub(tensorrt10 libnvbufsurftransform.so
  "${folder}/tests/stand_in/nvbufsurftransform.cc"
  STUB_FOLDER nvbufsurface
)
target_include_directories(${target} PRIVATE "${folder}")

add_executable(edgecore-surface-check
  "${folder}/tests/surface_check.cc"
  "${folder}/surface.cc"
)
add_executable(edgecore-surface-prepare
  "${folder}/tests/picture_cases.cc"
  "${folder}/tests/surface_prepare.cc"
  "${folder}/picture_plan.cc"
  "${folder}/surface.cc"
)
target_include_directories(edgecore-surface-prepare PRIVATE "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(edgecore-surface-prepare PRIVATE edgecore::edgecore)
foreach(program IN ITEMS edgecore-surface-check edgecore-surface-prepare)
  edgecore_compile_options(${program})
  target_compile_features(${program} PRIVATE cxx_std_17)
  target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${folder}")
  target_link_libraries(${program} PRIVATE ${CMAKE_DL_LIBS})
  set_target_properties(${program}
    PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY "${EDGECORE_BUILD_BIN_DIR}"
      INSTALL_RPATH "$ORIGIN/../lib"
  )
  install(TARGETS ${program} RUNTIME DESTINATION bin COMPONENT tests)
endforeach()
