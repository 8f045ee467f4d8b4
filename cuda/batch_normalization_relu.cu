// max(0, gamma (x - mean) / sqrt(var + eps) + beta) over the columns of x,
// shape (rows, width), and its gradient; two launches each.
//
// Blocks as in columns.cuh take a tile of columns and a chunk of rows.  The
// first launch leaves what the second needs to know of each chunk, (2, chunks,
// width).  In the second the rows of threads of every block put that together
// for its columns, in order, and it goes over its chunk again; the blocks of
// the first chunk also write what belongs to a column.
//
// Where rows are few one launch does it: a block has all the rows of its
// columns.  There may be several groups of rows, one after the other and each
// with statistics of its own.
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
__device__ Statistics statistics_of(
        const Tile& tile, const T* x, long long width) {
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
    return column_statistics(sum);
}

extern "C" __global__ void batch_normalization_statistics(
        const T* x, long long rows, long long width, long long chunk,
        T* means, T* squares) {
    const Tile tile(rows, width, chunk);
    const Statistics sum = statistics_of(tile, x, width);
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

// Of the mean and the variance of a column over so many rows.
__device__ void update_running(
        T mean, T var, long long rows, T decay, T* running_mean,
        T* running_var) {
    const T unbiased = rows > 1 ? T(rows) / T(rows - 1) : T(1);
    *running_mean = decay * *running_mean + (1 - decay) * mean;
    *running_var = decay * *running_var + (1 - decay) * unbiased * var;
}

__device__ void forward_of(
        const Tile& tile, const T* x, T mean, T scale, T shift,
        long long width, T* y) {
    const long long j = tile.column;
    for_tile(tile, [&](long long i) { return x[i * width + j]; },
             [&](T x_i, long long i, int) {
        const T z = normalize(x_i, mean, scale, shift);
        y[i * width + j] = z <= 0 ? T(0) : z;  // NaN stays NaN
    });
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
        if (running_mean)
            update_running(mean, var, rows, decay, running_mean + j,
                           running_var + j);
    }
    forward_of(tile, x, mean, gamma[j] * inv_std, beta[j], width, y);
}

// Of groups of `size` rows, blockIdx.y each; the running statistics learn from
// one of them.  bias, which may be null, is what was to be added to x: a
// normalized column does not notice, but its running mean does.
extern "C" __global__ void batch_normalization_relu_groups_forward(
        const T* x, const T* bias, const T* gamma, const T* beta,
        long long size, long long width, long long learns_from, T eps,
        T decay, T* y, T* mean_out, T* inv_std_out, T* running_mean,
        T* running_var) {
    const Tile tile(size * gridDim.y, width, size);
    const Statistics all = statistics_of(tile, x, width);
    if (!tile.inside)
        return;
    const long long j = tile.column, of_group = blockIdx.y * width + j;
    const T mean = all.mean, var = all.square / size;
    const T inv_std = 1 / sqrt(var + eps);
    if (threadIdx.y == 0) {
        mean_out[of_group] = mean;
        inv_std_out[of_group] = inv_std;
        if (running_mean && blockIdx.y == learns_from)
            update_running(mean + (bias ? bias[j] : T(0)), var, size, decay,
                           running_mean + j, running_var + j);
    }
    forward_of(tile, x, mean, gamma[j] * inv_std, beta[j], width, y);
}

// A column with its statistics; of threads without one, nothing.
struct Column {
    T mean, inv_std, scale, shift;
    __device__ Column(
            const Tile& tile, const T* gamma, const T* beta, const T* means,
            const T* inv_stds) : mean(0), inv_std(0), scale(0), shift(0) {
        if (tile.inside) {
            const long long j = tile.column;
            mean = means[j];
            inv_std = inv_stds[j];
            scale = gamma[j] * inv_std;
            shift = beta[j];
        }
    }
};

// Sums over a tile of gz and of gz (x - mean) / std, where gz is the gradient
// in front of the ReLU: the gradients with respect to beta and gamma.
__device__ Two backward_sums_of(
        const Tile& tile, const Column& of, const T* x, const T* gy,
        long long width) {
    const long long j = tile.column;
    T gbeta = 0, ggamma = 0;
    for_tile(tile, [&](long long i) {
        return Two{x[i * width + j], gy[i * width + j]};
    }, [&](Two at, long long, int) {
        const T x_i = at.first;
        const T gz = normalize(x_i, of.mean, of.scale, of.shift) > 0
            ? at.second : T(0);
        gbeta += gz;
        ggamma += gz * (x_i - of.mean);
    });
    ggamma *= of.inv_std;
    gbeta = column_sum(gbeta);
    return {gbeta, column_sum(ggamma)};
}

// From the sums over all `rows`, the gradient with respect to a tile of x.
__device__ void backward_of(
        const Tile& tile, const Column& of, const T* x, const T* gy,
        Two sums, long long rows, long long width, T* gx) {
    const long long j = tile.column;
    const T along = sums.second * of.inv_std / rows;
    const T level = sums.first / rows;
    for_tile(tile, [&](long long i) {
        return Two{x[i * width + j], gy[i * width + j]};
    }, [&](Two at, long long i, int) {
        const T x_i = at.first;
        const T gz = normalize(x_i, of.mean, of.scale, of.shift) > 0
            ? at.second : T(0);
        gx[i * width + j] = of.scale * (gz - level - (x_i - of.mean) * along);
    });
}

extern "C" __global__ void batch_normalization_relu_backward_sums(
        const T* x, const T* gamma, const T* beta, const T* mean,
        const T* inv_std, const T* gy, long long rows, long long width,
        long long chunk, T* gbetas, T* ggammas) {
    const Tile tile(rows, width, chunk);
    const Two sums = backward_sums_of(
        tile, Column(tile, gamma, beta, mean, inv_std), x, gy, width);
    if (tile.inside && threadIdx.y == 0) {
        gbetas[blockIdx.y * width + tile.column] = sums.first;
        ggammas[blockIdx.y * width + tile.column] = sums.second;
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
    backward_of(tile, Column(tile, gamma, beta, mean, inv_std), x, gy,
                Two{gbeta, ggamma}, rows, width, gx);
}

// Of groups of `size` rows, which a block takes one after the other; ggamma and
// gbeta are sums over all of them, and null where nobody asks.  gx may be gy.
extern "C" __global__ void batch_normalization_relu_groups_backward(
        const T* x, const T* gamma, const T* beta, const T* mean,
        const T* inv_std, T* gy, long long groups, long long size,
        long long width, T* gx, T* ggamma_out, T* gbeta_out, T* gbias) {
    Tile tile(size, width, size);
    T gbeta = 0, ggamma = 0;
    for (long long g = 0; g < groups; g++) {
        tile.first = g * size;
        tile.end = tile.first + size;
        const Column of(tile, gamma, beta, mean + g * width,
                        inv_std + g * width);
        const Two sums = backward_sums_of(tile, of, x, gy, width);
        backward_of(tile, of, x, gy, sums, size, width, gx);
        gbeta += sums.first;
        ggamma += sums.second;
    }
    if (ggamma_out && tile.inside && threadIdx.y == 0) {
        ggamma_out[tile.column] = ggamma;
        gbeta_out[tile.column] = gbeta;
    }
    if (gbias && tile.inside && threadIdx.y == 0)
        gbias[tile.column] = 0;
}
