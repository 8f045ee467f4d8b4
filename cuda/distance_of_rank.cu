// For each point the distance to the candidate of a given rank: x, shape
// (n, width), and points, (rows, width), of type X; candidates, (rows, k), are
// rows of x.  A block takes a point and a warp a candidate: differences first
// and in T, since a matrix product would lose the digits of small distances.
// Then every thread counts what is nearer than its candidate.
#include "reduce.cuh"

extern "C" __global__ void distance_of_rank(
        const X* x, const X* points, const long long* candidates, long long n,
        long long rows, long long width, long long k, long long rank,
        T* out) {
    extern __shared__ T squares[];
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const X* point = points + row * width;
        for (int c = threadIdx.y; c < k; c += blockDim.y) {
            const long long i = candidates[row * k + c];
            const bool exists = 0 <= i && i < n;
            T square = 0;
            for (long long j = threadIdx.x; exists && j < width; j += 32) {
                const T difference = T(point[j]) - T(x[i * width + j]);
                square += difference * difference;
            }
            square = reduce_lanes(square, 32, Sum());
            if (threadIdx.x == 0)  // nor may it be NaN, which has no rank
                squares[c] = exists && square < INFINITE ? square : INFINITE;
        }
        __syncthreads();
        for (int c = threadIdx.y * 32 + threadIdx.x; c < k;
                c += blockDim.y * 32) {
            int nearer = 0;
            for (int other = 0; other < k; other++)
                nearer += squares[other] < squares[c]
                    || (squares[other] == squares[c] && other < c);
            if (nearer == rank)
                out[row] = sqrt(squares[c]);
        }
        __syncthreads();  // before squares gets another point's
    }
}
