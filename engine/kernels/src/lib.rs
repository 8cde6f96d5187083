//! SIMD kernels, chosen once at run time by what the CPU offers. The only SIMD code of facerecog, and with the file
//! that maps the index its only `unsafe` code.
