// KL[p || q] of two sets of logits y0, y1 of shape (rows, width), threads as
// in reduce.cuh.  p and q are never written: each row's largest logit and the
// logarithm of its sum are, (rows, 2) for y0 and for y1.
#include "softmax.cuh"
#include "one_block.cuh"

__device__ T log_ratio(T log_p, T log_q, T eps) {
    return eps > 0 ? log((exp(log_p) + eps) / (exp(log_q) + eps))
                   : log_p - log_q;
}

__device__ Softmax load(const T* saved, long long i) {
    return {saved[2 * i], saved[2 * i + 1]};
}

__device__ void store(T* saved, long long i, Softmax softmax) {
    saved[2 * i] = softmax.largest;
    saved[2 * i + 1] = softmax.log_sum;
}

extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_kl_forward(
        const T* y0, const T* y1, long long rows, long long width, T eps,
        T* saved0, T* saved1, T* partials) {
    T divergence = 0;
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const T *row0 = y0 + i * width, *row1 = y1 + i * width;
        const long long n = i < rows ? width : 0;
        const Softmax p = softmax_of_row(row0, n), q = softmax_of_row(row1, n);
        for_rows(row0, row1, n, [&](Two y, long long, int) {
            const T log_p = p.log_p(y.first);
            divergence += exp(log_p)
                * log_ratio(log_p, q.log_p(y.second), eps);
        });
        if (i < rows && threadIdx.x == 0) {
            store(saved0, i, p);
            store(saved1, i, q);
        }
    }
    divergence = block_sum(divergence / rows);
    if (threadIdx.x == 0 && threadIdx.y == 0)
        partials[blockIdx.x] = divergence;
}

// q, and p with the gradient with respect to it.
struct Gradients {
    T p, gp, q;
    // That with respect to q, times q: with eps = 0 the quotient p / q could
    // overflow.
    __device__ T q_gq(T eps) const {
        return eps > 0 ? -q * p / (q + eps) : -p;
    }
};

// gy0 or gy1 may be null.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_kl_backward(
        const T* y0, const T* y1, const T* saved0, const T* saved1,
        long long rows, long long width, T eps, const T* g,
        T* gy0, T* __restrict__ gy1) {
    const T scale = *g / rows;
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const T *row0 = y0 + i * width, *row1 = y1 + i * width;
        const long long n = i < rows ? width : 0;
        Softmax of_p = {0, 0}, of_q = {0, 0};
        if (n) {
            of_p = load(saved0, i);
            of_q = load(saved1, i);
        }
        const auto gradients = [&](Two y) {
            const T log_p = of_p.log_p(y.first), p = exp(log_p);
            const T log_q = of_q.log_p(y.second), q = exp(log_q);
            return Gradients{
                p, log_ratio(log_p, log_q, eps) + slope_of_log(p, eps), q};
        };
        // The means of gp and gq, under p and q, are to be subtracted.  Of
        // short rows the gradients are kept, of others computed again.
        Gradients kept[AHEAD];
        T mean0 = 0, mean1 = 0;
        for_rows(row0, row1, n, [&](Two y, long long, int a) {
            kept[a] = gradients(y);
            mean0 += kept[a].p * kept[a].gp;
            mean1 += kept[a].q_gq(eps);
        });
        mean0 = row_sum(mean0);
        mean1 = row_sum(mean1);
        const bool short_row = n <= AHEAD * blockDim.x;
        for_rows(row0, row1, n, [&](Two y, long long j, int a) {
            const Gradients of = short_row ? kept[a] : gradients(y);
            if (gy0)
                gy0[i * width + j] = scale * of.p * (of.gp - mean0);
            if (gy1)
                gy1[i * width + j] = scale * (of.q_gq(eps) - of.q * mean1);
        });
    }
}

// Both in one block, the gradient with respect to y1 alone.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_kl_at_once(
        const T* y0, const T* y1, long long rows, long long width, T eps,
        const T* weight, T* value, T* __restrict__ gy1) {
    const T scale = *weight / rows;
    T divergence = 0;
    for (long long first = 0; first < rows; first += blockDim.y) {
        const long long i = first + threadIdx.y;
        const T *row0 = y0 + i * width, *row1 = y1 + i * width;
        const long long n = i < rows ? width : 0;
        const Softmax of_p = softmax_of_row(row0, n);
        const Softmax of_q = softmax_of_row(row1, n);
        Gradients kept[AHEAD];  // a row is short here
        T mean = 0;
        for_rows(row0, row1, n, [&](Two y, long long, int a) {
            const T log_p = of_p.log_p(y.first), p = exp(log_p);
            const T log_q = of_q.log_p(y.second);
            divergence += p * log_ratio(log_p, log_q, eps);
            kept[a] = Gradients{p, 0, exp(log_q)};
            mean += kept[a].q_gq(eps);
        });
        mean = row_sum(mean);
        for_rows(row0, row1, n, [&](Two, long long j, int a) {
            gy1[i * width + j] = scale * (
                kept[a].q_gq(eps) - kept[a].q * mean);
        });
    }
    divergence = block_sum(divergence);
    if (thread_of_block() == 0)
        *value = scale * divergence;
}
