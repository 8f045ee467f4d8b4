// Softmax of rows of logits, threads as in reduce.cuh.
#include "reduce.cuh"
#include "entropy.cuh"

// log p_j is (y[j] - largest) - log_sum: in this order large logits, of which
// a float has few digits behind the point, cancel first.
struct Softmax {
    T largest, log_sum;
    __device__ T log_p(T y) const { return (y - largest) - log_sum; }
};

// `row` has `width` logits; 0 for threads that have no row.
__device__ Softmax softmax_of_row(const T* row, long long width) {
    T largest = -INFINITE, sum = 0;
    for (long long j = threadIdx.x; j < width; j += blockDim.x)
        largest = row[j] > largest ? row[j] : largest;
    largest = row_max(largest);
    for (long long j = threadIdx.x; j < width; j += blockDim.x)
        sum += exp(row[j] - largest);
    return {largest, log(row_sum(sum))};
}
