# What every target of ours has in common. Machine flags (-mcpu, --sysroot, -ffile-prefix-map) belong to
# the toolchain file; only what the sources themselves rely on is here.

# Warnings, hidden symbols, and no fused multiply-add: a x b + c must round the same on every CPU.
function(edgecore_compile_options target)
  target_compile_options(${target}
    PRIVATE
      -ffp-contract=off
      -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Wundef
  )
  set_target_properties(${target}
    PROPERTIES
      CXX_EXTENSIONS OFF
      CXX_VISIBILITY_PRESET hidden
      VISIBILITY_INLINES_HIDDEN ON
      POSITION_INDEPENDENT_CODE ON
  )
endfunction()

# edgecore_add_backend(NAME source...): libedgecore-NAME.so, a module that links nothing of the core and
# exports only its entry point (a static C++ runtime would otherwise leak operator new and friends).
function(edgecore_add_backend name)
  set(target edgecore-${name})
  set(exports "${PROJECT_SOURCE_DIR}/cmake/backend.map")
  add_library(${target} MODULE ${ARGN})
  edgecore_compile_options(${target})
  target_compile_features(${target} PRIVATE cxx_std_17)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
  target_link_options(${target} PRIVATE "LINKER:--version-script=${exports}" "LINKER:-z,defs")
  set_target_properties(${target}
    PROPERTIES
      LINK_DEPENDS "${exports}"
      LIBRARY_OUTPUT_DIRECTORY "${EDGECORE_BUILD_MODULE_DIR}"
  )
  install(TARGETS ${target} LIBRARY DESTINATION "${EDGECORE_MODULE_DIR}" COMPONENT runtime)
endfunction()

# edgecore_add_stub(BACKEND SONAME source...): a stand-in for a vendor's library, for tests alone. It lands in the
# tests' share/edgecore/stubs/BACKEND/ (or what STUB_FOLDER names below stubs/), where LD_LIBRARY_PATH finds it.
function(edgecore_add_stub backend soname)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "STUB_FOLDER" "")
  if(NOT arg_STUB_FOLDER)
    set(arg_STUB_FOLDER "${backend}")
  endif()
  string(MAKE_C_IDENTIFIER "stub-${arg_STUB_FOLDER}-${soname}" target)
  set(target "${target}" PARENT_SCOPE)
  add_library(${target} SHARED ${arg_UNPARSED_ARGUMENTS})
  edgecore_compile_options(${target})
  target_compile_features(${target} PRIVATE cxx_std_17)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
  target_link_options(${target} PRIVATE "LINKER:-soname,${soname}")
  set_target_properties(${target}
    PROPERTIES
      PREFIX ""
      SUFFIX ""
      NO_SONAME ON
      INSTALL_RPATH "$ORIGIN" # one stand-in may need another beside it
      OUTPUT_NAME "${soname}"
      LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/share/edgecore/stubs/${arg_STUB_FOLDER}"
  )
  install(TARGETS ${target} LIBRARY DESTINATION "share/edgecore/stubs/${arg_STUB_FOLDER}" COMPONENT tests)
endfunction()
