# edgecore-surface-check: our view of NvBufSurface against the maker's own library. See test_surface.py.
add_executable(edgecore-surface-check
  "${CMAKE_CURRENT_LIST_DIR}/surface_check.cc"
  "${CMAKE_CURRENT_LIST_DIR}/../surface.cc"
)
edgecore_compile_options(edgecore-surface-check)
target_compile_features(edgecore-surface-check PRIVATE cxx_std_17)
target_include_directories(edgecore-surface-check PRIVATE "${PROJECT_SOURCE_DIR}/include" "${CMAKE_CURRENT_LIST_DIR}/..")
target_link_libraries(edgecore-surface-check PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(edgecore-surface-check PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${EDGECORE_BUILD_BIN_DIR}")
install(TARGETS edgecore-surface-check RUNTIME DESTINATION bin COMPONENT tests)
