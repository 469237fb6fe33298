# edgecore_add_tensorrt(MAJOR FOLDER=VERSION ...): the module for one major version of TensorRT, whose virtual tables
# differ, from the sources in this folder; and stand-ins for some of its releases.
include("${CMAKE_CURRENT_LIST_DIR}/kernels/kernels.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/tests/header_check.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/tests/stand_in/stand_in.cmake")

function(edgecore_add_tensorrt major)
  set(name tensorrt${major})
  set(sources
    backend.cc
    cuda.cc
    decoders.cc
    device_picture.cc
    engine.cc
    jpeg.cc
    model_file.cc
    options.cc
    picture_plan.cc
    plan.cc
    preprocess.cc
    runtime.cc
    surface.cc
    surface_views.cc
    video.cc
  )
  list(TRANSFORM sources PREPEND "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/")
  edgecore_add_backend(${name} ${sources} "${PROJECT_SOURCE_DIR}/src/jpeg_header.cc")
  target_compile_definitions(edgecore-${name} PRIVATE EDGECORE_TRT_MAJOR=${major})
  target_include_directories(edgecore-${name} PRIVATE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}" "${PROJECT_SOURCE_DIR}/src")
  edgecore_add_device_code(edgecore-${name} ${major})

  if(EDGECORE_BUILD_TESTS)
    edgecore_check_nvinfer_headers(${major})
    edgecore_add_tensorrt_stand_ins(${name} ${major} ${ARGN})
  endif()
endfunction()
