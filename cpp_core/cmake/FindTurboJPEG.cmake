#[[
TurboJPEG::TurboJPEG: the TurboJPEG API of libjpeg-turbo, static where there is a choice.

libjpeg-turbo's own CMake package is preferred; the files are looked for where a distribution leaves the
package out or strips this library from it.
]]
include(FindPackageHandleStandardArgs)

find_package(libjpeg-turbo CONFIG QUIET)
set(TurboJPEG_TARGET TurboJPEG_TARGET-NOTFOUND)
foreach(candidate IN ITEMS libjpeg-turbo::turbojpeg-static libjpeg-turbo::turbojpeg)
  if(NOT TurboJPEG_TARGET AND TARGET ${candidate})
    set(TurboJPEG_TARGET ${candidate})
  endif()
endforeach()

if(TurboJPEG_TARGET)
  find_package_handle_standard_args(TurboJPEG REQUIRED_VARS TurboJPEG_TARGET)
  if(NOT TARGET TurboJPEG::TurboJPEG)
    add_library(TurboJPEG::TurboJPEG INTERFACE IMPORTED)
    target_link_libraries(TurboJPEG::TurboJPEG INTERFACE ${TurboJPEG_TARGET})
  endif()
else()
  find_path(TurboJPEG_INCLUDE_DIR turbojpeg.h)
  find_library(TurboJPEG_LIBRARY turbojpeg)
  mark_as_advanced(TurboJPEG_INCLUDE_DIR TurboJPEG_LIBRARY)
  find_package_handle_standard_args(TurboJPEG
    REQUIRED_VARS TurboJPEG_LIBRARY TurboJPEG_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "install libjpeg-turbo, or -DEDGECORE_WITH_JPEG=OFF for a build without JPEG"
  )
  if(TurboJPEG_FOUND AND NOT TARGET TurboJPEG::TurboJPEG)
    add_library(TurboJPEG::TurboJPEG UNKNOWN IMPORTED)
    set_target_properties(TurboJPEG::TurboJPEG
      PROPERTIES
        IMPORTED_LOCATION "${TurboJPEG_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${TurboJPEG_INCLUDE_DIR}"
    )
  endif()
endif()
