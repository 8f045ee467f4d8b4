// One bit for each element of y, shape (rows, width): whether it exceeds 0.
// Packed into bytes by rows; column 0 is the highest bit of the first byte.
//
// A row has blockDim.x threads, 8, 16 or 32, for the 32 columns of its
// blockIdx.x, so that a ballot has the bits of one to four rows.  A thread
// loads of ROWS rows before the first ballot waits for them.
#define ROWS 4

extern "C" __global__ void pack_bits(
        const T* y, long long rows, long long width, unsigned char* codes) {
    const long long bytes = (width + 7) / 8, step = ROWS * blockDim.y;
    const long long column = blockIdx.x * 32LL + threadIdx.x;
    const int lane = (threadIdx.y * blockDim.x + threadIdx.x) % 32;
    for (long long first = blockIdx.y * step; first < rows;
            first += gridDim.y * step) {
        bool inside[ROWS], bit[ROWS];
        #pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const long long i = first + r * blockDim.y + threadIdx.y;
            inside[r] = i < rows && column < width;
            bit[r] = inside[r] && y[i * width + column] > 0;
        }
        #pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const long long i = first + r * blockDim.y + threadIdx.y;
            const unsigned bits = __brev(__ballot_sync(0xffffffffu, bit[r]));
            if (inside[r] && lane % 8 == 0)
                codes[i * bytes + column / 8] = bits >> (24 - lane);
        }
    }
}
