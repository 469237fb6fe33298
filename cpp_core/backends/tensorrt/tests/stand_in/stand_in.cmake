# edgecore_add_tensorrt_stand_ins(BACKEND MAJOR FOLDER=VERSION ...): per folder below share/edgecore/stubs/ a libnvinfer
# of that release and beside it the driver's stand-in and, decoding through the core's FFmpeg, the video engine's. Compiled once per major version, linked once per release.
function(edgecore_add_tensorrt_stand_ins backend major)
  set(here "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")
  set(cpu "${here}/../../../cpu")
  set(nvinfer "stand-in-nvinfer${major}")
  set(driver "stand-in-cuda${major}")
  add_library(${nvinfer} OBJECT
    "${here}/context.cc"
    "${here}/engine.cc"
    "${here}/network.cc"
    "${here}/objects.cc"
    "${here}/runtime.cc"
    "${cpu}/engine.cc"
    "${cpu}/runtime.cc"
  )
  add_library(${driver} OBJECT
    "${here}/branches.cc"
    "${here}/cuda.cc"
    "${here}/device.cc"
    "${here}/egl.cc"
    "${here}/ledger.cc"
    "${here}/../host_kernels.cc"
  )
  foreach(target IN ITEMS ${nvinfer} ${driver})
    edgecore_compile_options(${target})
    target_compile_features(${target} PRIVATE cxx_std_17)
  endforeach()
  target_include_directories(${nvinfer} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${cpu}")
  target_include_directories(${driver} PRIVATE "${here}/../..")
  target_compile_definitions(${nvinfer} PRIVATE STAND_IN_MAJOR=${major})

  set(video "")
  if(EDGECORE_WITH_FFMPEG)
    set(video "stand-in-cuvid${major}")
    add_library(${video} OBJECT "${here}/cuvid.cc" "${here}/cuvid_stream.cc")
    edgecore_compile_options(${video})
    target_compile_features(${video} PRIVATE cxx_std_17)
    target_include_directories(${video} PRIVATE "${here}/../..")
    target_link_libraries(${video} PRIVATE FFmpeg::avcodec)
  endif()

  foreach(pair IN LISTS ARGN)
    string(REPLACE "=" ";" pair "${pair}")
    list(GET pair 0 folder)
    list(GET pair 1 version)
    edgecore_add_stub(${backend} libnvinfer.so.${major} "${here}/version.cc" $<TARGET_OBJECTS:${nvinfer}> STUB_FOLDER ${folder})
    target_compile_definitions(${target} PRIVATE STAND_IN_VERSION=${version})
    edgecore_add_stub(${backend} libcuda.so.1 $<TARGET_OBJECTS:${driver}> STUB_FOLDER ${folder})
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
    if(video)
      edgecore_add_stub(${backend} libnvcuvid.so.1 $<TARGET_OBJECTS:${video}> STUB_FOLDER ${folder})
      target_link_libraries(${target} PRIVATE FFmpeg::avcodec FFmpeg::avutil)
      set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX INSTALL_RPATH "$ORIGIN/../../../../lib")
    endif()
  endforeach()
endfunction()
