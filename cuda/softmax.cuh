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
    for_row(row, width, [&](T y, long long, int) {
        largest = y > largest ? y : largest;
    });
    largest = row_max(largest);
    for_row(row, width, [&](T y, long long, int) {
        sum += exp(y - largest);
    });
    return {largest, log(row_sum(sum))};
}

// A probability and the gradient with respect to it.
struct Weighted {
    T p, gp;
};

// From gradients with respect to p to that to the logits, p (gp - sum p gp).
// slope(y, j) is asked once for each logit of a short row, for others twice.
template <class Slope>
__device__ void softmax_backward(
        const T* row, long long width, T* gy, Slope slope) {
    Weighted kept[AHEAD];
    T mean = 0;
    for_row(row, width, [&](T y, long long j, int a) {
        kept[a] = slope(y, j);
        mean += kept[a].p * kept[a].gp;
    });
    mean = row_sum(mean);
    const bool short_row = width <= AHEAD * blockDim.x;
    for_row(row, width, [&](T y, long long j, int a) {
        const Weighted of = short_row ? kept[a] : slope(y, j);
        gy[j] = of.p * (of.gp - mean);
    });
}
