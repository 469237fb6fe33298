# A stand-in for libv4l2 with decoders behind it, and edgecore-v4l2-check, which drives the module against it. The program
# also compares our declarations with the kernel's header of the toolchain, by being compiled.
set(v4l2_tests "${CMAKE_CURRENT_LIST_DIR}")
if(EDGECORE_WITH_FFMPEG)
  edgecore_add_stub(v4l2 libv4l2.so.0
    "${v4l2_tests}/stub/decoder_node.cc"
    "${v4l2_tests}/stub/decoding.cc"
    "${v4l2_tests}/stub/film.cc"
    "${v4l2_tests}/stub/libv4l2.cc"
    "${v4l2_tests}/../../tensorrt/tests/stand_in/branches.cc"
    "${v4l2_tests}/../../tensorrt/tests/stand_in/ledger.cc"
  )
  target_include_directories(${target} PRIVATE "${v4l2_tests}/.." "${v4l2_tests}/../../tensorrt")
  target_link_libraries(${target} PRIVATE FFmpeg::avcodec FFmpeg::avutil Threads::Threads)
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/../../../../lib")

  add_executable(edgecore-v4l2-check "${v4l2_tests}/decoder_check.cc" "${v4l2_tests}/units.cc" "${v4l2_tests}/abi_check.cc")
  edgecore_compile_options(edgecore-v4l2-check)
  target_include_directories(edgecore-v4l2-check PRIVATE "${v4l2_tests}/..")
  target_link_libraries(edgecore-v4l2-check PRIVATE edgecore::edgecore FFmpeg::avformat FFmpeg::avcodec FFmpeg::avutil)
  set_target_properties(edgecore-v4l2-check
    PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY "${EDGECORE_BUILD_BIN_DIR}"
      INSTALL_RPATH "$ORIGIN/../lib"
  )
  install(TARGETS edgecore-v4l2-check RUNTIME DESTINATION bin COMPONENT tests)
endif()
