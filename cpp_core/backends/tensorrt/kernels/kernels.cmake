# edgecore_add_device_code(TARGET MAJOR): gives a module of TensorRT MAJOR the kernels for the GPUs that it meets.
#
# The device compiler is NVRTC, which runs on the build machine, needs no host compiler and makes code for any GPU. Each
# unpacked release is a folder in EDGECORE_TOOLS_NVRTC<CUDA major>, see tensorrt<MAJOR>/runtime.yaml; without them the
# module is built all the same and leaves pictures to the CPU.

# Which compiler makes what. A cubin runs on every driver of its compiler's CUDA major and on later ones; integrated
# GPUs want the exact sm_; a discrete one runs what an earlier minor version of its architecture runs.
#   TensorRT 8   JetPack 5 (CUDA 11.4: Xavier sm_72, Orin sm_87) and 6.0 (Orin); servers from Volta to Hopper, beyond
#                which there is no TensorRT 8. JetPack 4.6 has CUDA 10.2, whose compiler is in no package registry: its
#                pictures are prepared on the CPU.
#   TensorRT 10  JetPack 6 (CUDA 12.6: Orin) and 7 (CUDA 13: Orin, Thor sm_110); servers from Turing on; PTX for what
#                comes later, which the driver compiles.
set(EDGECORE_DEVICE_CODE_8_aarch64 "NVRTC11 sm_72 sm_87")
set(EDGECORE_DEVICE_CODE_8_x86_64 "NVRTC11 sm_70 sm_80 sm_90")
set(EDGECORE_DEVICE_CODE_10_aarch64 "NVRTC12 sm_87 compute_87" "NVRTC13 sm_110")
set(EDGECORE_DEVICE_CODE_10_x86_64 "NVRTC12 sm_75 sm_80 sm_90 compute_90")
set(EDGECORE_KERNELS_DIR "${CMAKE_CURRENT_LIST_DIR}")
foreach(tool IN ITEMS NVRTC11 NVRTC12 NVRTC13)
  set(EDGECORE_TOOLS_${tool} "" CACHE PATH "Folder with libnvrtc.so, for device code (optional)")
endforeach()

function(edgecore_add_device_code target major)
  target_sources(${target} PRIVATE "${EDGECORE_KERNELS_DIR}/choose_image.cc")
  set(compile "")
  set(missing "")
  foreach(line IN LISTS EDGECORE_DEVICE_CODE_${major}_${CMAKE_SYSTEM_PROCESSOR})
    string(REPLACE " " ";" gpus "${line}")
    list(POP_FRONT gpus tool)
    if(EDGECORE_TOOLS_${tool})
      list(APPEND compile --compile "${EDGECORE_TOOLS_${tool}}" ${gpus})
    else()
      list(APPEND missing "EDGECORE_TOOLS_${tool} (${gpus})")
    endif()
  endforeach()
  if(missing)
    list(JOIN missing ", " missing)
    message(STATUS "${target}: no device code of ${missing}; pictures for those GPUs are prepared on the CPU")
  endif()
  if(NOT compile)
    target_sources(${target} PRIVATE "${EDGECORE_KERNELS_DIR}/no_images.cc")
    return()
  endif()

  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(script "${EDGECORE_KERNELS_DIR}/../tools/nvrtc.py")
  set(source "${EDGECORE_KERNELS_DIR}/preprocess.cu")
  set(images "${CMAKE_CURRENT_BINARY_DIR}/${target}-images.cc")
  add_custom_command(
    OUTPUT "${images}"
    COMMAND Python3::Interpreter "${script}" --source "${source}" --output "${images}" ${compile}
    DEPENDS "${script}" "${source}" "${EDGECORE_KERNELS_DIR}/picture_job.h"
    COMMENT "Device code of ${target}"
    VERBATIM
  )
  target_sources(${target} PRIVATE "${images}")
endfunction()
