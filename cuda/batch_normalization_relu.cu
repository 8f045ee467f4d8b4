// max(0, gamma (x - mean) / sqrt(var + eps) + beta) over the columns of x,
// shape (rows, width), and its gradient; two launches each.
//
// Blocks as in columns.cuh take a tile of columns and a chunk of rows.  The
// first launch leaves what the second needs to know of each chunk, (2, chunks,
// width).  In the second the rows of threads of every block put that together
// for its columns, in order, and it goes over its chunk again; the blocks of
// the first chunk also write what belongs to a column.
#include "reduce.cuh"
#include "columns.cuh"

#define AT_ONCE 8

// Of n numbers: their mean, and the sum of their squared distances from it.
struct Statistics {
    T n, mean, square;
    // Those of both together (Chan et al. 1979).
    __device__ void operator+=(const Statistics& other) {
        if (!(other.n > 0))
            return;
        const T share = other.n / (n + other.n), distance = other.mean - mean;
        mean += distance * share;
        square += other.square + distance * distance * (n * share);
        n += other.n;
    }
};

__device__ Statistics column_statistics(Statistics value) {
    const Statistics none = {0, 0, 0};
    return column_total(value, none);
}

// Each thread reads AT_ONCE numbers at a time, and each of them once.
extern "C" __global__ void batch_normalization_statistics(
        const T* x, long long rows, long long width, long long chunk,
        T* means, T* squares) {
    const Tile tile(rows, width, chunk);
    const long long step = blockDim.y;
    Statistics sum = {0, 0, 0};
    if (tile.inside)
        for (long long first = tile.first + threadIdx.y; first < tile.end;
                first += AT_ONCE * step) {
            T value[AT_ONCE];
            Statistics some = {0, 0, 0};
            #pragma unroll
            for (int a = 0; a < AT_ONCE; a++) {
                const long long i = first + a * step;
                value[a] = i < tile.end ? x[i * width + tile.column] : T(0);
            }
            #pragma unroll
            for (int a = 0; a < AT_ONCE; a++) {
                some.n += first + a * step < tile.end;
                some.mean += value[a];
            }
            some.mean /= some.n;
            #pragma unroll
            for (int a = 0; a < AT_ONCE; a++) {
                const T centred = value[a] - some.mean;
                if (first + a * step < tile.end)
                    some.square += centred * centred;
            }
            sum += some;
        }
    sum = column_statistics(sum);
    if (tile.inside && threadIdx.y == 0) {
        means[blockIdx.y * width + tile.column] = sum.mean;
        squares[blockIdx.y * width + tile.column] = sum.square;
    }
}

// Of all rows, from those of the chunks.
__device__ Statistics merge_statistics(
        const Tile& tile, const T* means, const T* squares, long long chunks,
        long long rows, long long width, long long chunk) {
    Statistics sum = {0, 0, 0};
    if (tile.inside)
        for (long long i = threadIdx.y; i < chunks; i += blockDim.y) {
            const long long n = min(chunk, rows - i * chunk);
            const Statistics some = {T(n), means[i * width + tile.column],
                                     squares[i * width + tile.column]};
            sum += some;
        }
    return column_statistics(sum);
}

// Both launches that need to know where the ReLU is open ask here.
__device__ T normalize(T x, T mean, T scale, T shift) {
    return fma(x - mean, scale, shift);
}

// running_mean and running_var may be null.
extern "C" __global__ void batch_normalization_relu_forward(
        const T* x, const T* gamma, const T* beta, const T* means,
        const T* squares, long long chunks, long long rows, long long width,
        long long chunk, T eps, T decay, T* y, T* mean_out,
        T* inv_std_out, T* running_mean, T* running_var) {
    const Tile tile(rows, width, chunk);
    const Statistics all = merge_statistics(
        tile, means, squares, chunks, rows, width, chunk);
    if (!tile.inside)
        return;
    const long long j = tile.column;
    const T mean = all.mean, var = all.square / rows;
    const T inv_std = 1 / sqrt(var + eps);
    if (blockIdx.y == 0 && threadIdx.y == 0) {
        mean_out[j] = mean;
        inv_std_out[j] = inv_std;
        if (running_mean) {
            const T unbiased = rows > 1 ? T(rows) / T(rows - 1) : T(1);
            running_mean[j] = decay * running_mean[j] + (1 - decay) * mean;
            running_var[j] = decay * running_var[j]
                + (1 - decay) * unbiased * var;
        }
    }
    const T scale = gamma[j] * inv_std, shift = beta[j];
    for_tile(tile, [&](long long i) { return x[i * width + j]; },
             [&](T x_i, long long i, int) {
        const T z = normalize(x_i, mean, scale, shift);
        y[i * width + j] = z > 0 ? z : T(0);
    });
}

// Each chunk's sums of gz and of gz (x - mean) / std, where gz is the gradient
// in front of the ReLU.
extern "C" __global__ void batch_normalization_relu_backward_sums(
        const T* x, const T* gamma, const T* beta, const T* mean,
        const T* inv_std, const T* gy, long long rows, long long width,
        long long chunk, T* gbetas, T* ggammas) {
    const Tile tile(rows, width, chunk);
    const long long j = tile.column;
    T gbeta = 0, ggamma = 0;
    if (tile.inside) {
        const T m = mean[j], scale = gamma[j] * inv_std[j], shift = beta[j];
        for_tile(tile, [&](long long i) {
            return Two{x[i * width + j], gy[i * width + j]};
        }, [&](Two of, long long, int) {
            const T x_i = of.first;
            const T gz = normalize(x_i, m, scale, shift) > 0
                ? of.second : T(0);
            gbeta += gz;
            ggamma += gz * (x_i - m);
        });
        ggamma *= inv_std[j];
    }
    gbeta = column_sum(gbeta);
    ggamma = column_sum(ggamma);
    if (tile.inside && threadIdx.y == 0) {
        gbetas[blockIdx.y * width + j] = gbeta;
        ggammas[blockIdx.y * width + j] = ggamma;
    }
}

extern "C" __global__ void batch_normalization_relu_backward(
        const T* x, const T* gamma, const T* beta, const T* mean,
        const T* inv_std, const T* gy, const T* gbetas, const T* ggammas,
        long long chunks, long long rows, long long width, long long chunk,
        T* gx, T* ggamma_out, T* gbeta_out) {
    const Tile tile(rows, width, chunk);
    const long long j = tile.column;
    T gbeta = 0, ggamma = 0;
    if (tile.inside)
        for (long long i = threadIdx.y; i < chunks; i += blockDim.y) {
            gbeta += gbetas[i * width + j];
            ggamma += ggammas[i * width + j];
        }
    gbeta = column_sum(gbeta);
    ggamma = column_sum(ggamma);
    if (!tile.inside)
        return;
    if (blockIdx.y == 0 && threadIdx.y == 0) {
        gbeta_out[j] = gbeta;
        ggamma_out[j] = ggamma;
    }
    const T m = mean[j], scale = gamma[j] * inv_std[j], shift = beta[j];
    const T along = ggamma * inv_std[j] / rows, level = gbeta / rows;
    for_tile(tile, [&](long long i) {
        return Two{x[i * width + j], gy[i * width + j]};
    }, [&](Two of, long long i, int) {
        const T x_i = of.first;
        const T gz = normalize(x_i, m, scale, shift) > 0 ? of.second : T(0);
        gx[i * width + j] = scale * (gz - level - (x_i - m) * along);
    });
}
