// In place of the toolkit's header, for nvinfer_header_check.cc alone: TensorRT's headers name these two handles and no
// more of it ("CUDA Runtime API" reference manual, section 6.34: both are pointers to incomplete types).
#pragma once

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
