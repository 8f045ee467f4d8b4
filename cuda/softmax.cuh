// Softmax of rows of logits, threads as in reduce.cuh.
#include "reduce.cuh"

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

// log(p + eps); exact for eps = 0, however small p is.
__device__ T log_plus(T p, T log_p, T eps) {
    return eps > 0 ? log(p + eps) : log_p;
}

// d/dp of p log(p + eps), less log(p + eps).
__device__ T slope_of_log(T p, T eps) {
    return eps > 0 ? p / (p + eps) : T(1);
}
