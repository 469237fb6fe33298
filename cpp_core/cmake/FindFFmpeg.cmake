#[[
FFmpeg::avformat, FFmpeg::avcodec, FFmpeg::avutil

FFmpeg_ROOT          an FFmpeg install prefix; nothing else is then looked at
FFMPEG_BUILD_SUFFIX  what FFmpeg's own `configure --build-suffix` was given, e.g. "-edge"

Looks for files rather than asking pkg-config, whose answer in a cross build is easily the host's.
]]
include(FindPackageHandleStandardArgs)

set(FFMPEG_BUILD_SUFFIX "" CACHE STRING "Suffix of the FFmpeg libraries' names")

set(places "")
if(FFmpeg_ROOT)
  # The prefix is taken literally: a toolchain file's find root would re-root or refuse it.
  set(places PATHS "${FFmpeg_ROOT}" NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
endif()

find_path(FFmpeg_INCLUDE_DIR libavformat/avformat.h ${places} PATH_SUFFIXES include)
set(libraries "")
foreach(part IN ITEMS avutil avcodec avformat)
  find_library(FFmpeg_${part}_LIBRARY ${part}${FFMPEG_BUILD_SUFFIX} ${places} PATH_SUFFIXES lib)
  list(APPEND libraries FFmpeg_${part}_LIBRARY)
endforeach()
mark_as_advanced(FFmpeg_INCLUDE_DIR ${libraries})

find_package_handle_standard_args(FFmpeg
  REQUIRED_VARS FFmpeg_INCLUDE_DIR ${libraries}
  REASON_FAILURE_MESSAGE "set FFmpeg_ROOT to its prefix, or -DEDGECORE_WITH_FFMPEG=OFF for a build without video input"
)

if(FFmpeg_FOUND AND NOT TARGET FFmpeg::avutil)
  foreach(part IN ITEMS avutil avcodec avformat)
    add_library(FFmpeg::${part} UNKNOWN IMPORTED)
    set_target_properties(FFmpeg::${part}
      PROPERTIES
        IMPORTED_LOCATION "${FFmpeg_${part}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${FFmpeg_INCLUDE_DIR}"
    )
  endforeach()
  set_target_properties(FFmpeg::avcodec PROPERTIES INTERFACE_LINK_LIBRARIES FFmpeg::avutil)
  set_target_properties(FFmpeg::avformat PROPERTIES INTERFACE_LINK_LIBRARIES "FFmpeg::avcodec;FFmpeg::avutil")
endif()
