// max(0, gamma (x - mean) / sqrt(var + eps) + beta) over the columns of x,
// shape (rows, width), and its gradient; two launches each.
//
// A block has 32 columns by 8 rows of threads and takes a tile of 32 columns
// and a chunk of rows (launch.columns).  The first launch leaves each chunk's
// sums, (2, chunks, width).  In the second every block adds up those of its
// columns, in order, and goes over its chunk again; the blocks of the first
// chunk also write what belongs to a column.
#include "reduce.cuh"
#include "columns.cuh"

// Each chunk's mean and its sum of squared distances from that.
extern "C" __global__ void batch_normalization_statistics(
        const T* x, long long rows, long long width, long long chunk,
        T* means, T* squares) {
    const Tile tile(rows, width, chunk);
    const T n = tile.end - tile.first;
    T sum = 0;
    if (tile.inside)
        for (long long i = tile.first + threadIdx.y; i < tile.end; i += ROWS)
            sum += x[i * width + tile.column];
    const T mean = column_sum(sum) / n;
    T square = 0;
    if (tile.inside)
        for (long long i = tile.first + threadIdx.y; i < tile.end;
                i += ROWS) {
            const T centred = x[i * width + tile.column] - mean;
            square += centred * centred;
        }
    square = column_sum(square);
    if (tile.inside && threadIdx.y == 0) {
        means[blockIdx.y * width + tile.column] = mean;
        squares[blockIdx.y * width + tile.column] = square;
    }
}

// The same for all rows from those of the chunks (Chan et al. 1979).
__device__ void merge_statistics(
        const T* means, const T* squares, long long chunks, long long rows,
        long long width, long long chunk, long long column, T& mean, T& var) {
    T square = 0;
    mean = 0;
    for (long long i = 0; i < chunks; i++) {
        const T before = i * chunk;
        const T n = rows - i * chunk < chunk ? rows - i * chunk : chunk;
        const T distance = means[i * width + column] - mean;
        mean += distance * (n / (before + n));
        square += squares[i * width + column]
            + distance * distance * (before * (n / (before + n)));
    }
    var = square / rows;
}

// Both launches that need to know where the ReLU is open ask here.
__device__ T normalize(T x, T mean, T scale, T shift) {
    return fma(x - mean, scale, shift);
}

// running_mean and running_var may be null.
extern "C" __global__ void batch_normalization_relu_forward(
        const T* x, const T* gamma, const T* beta, const T* means,
        const T* squares, long long chunks, long long rows, long long width,
        long long chunk, T eps, T decay, T* y, T* mean_out, T* inv_std_out,
        T* running_mean, T* running_var) {
    const Tile tile(rows, width, chunk);
    if (!tile.inside)
        return;
    const long long j = tile.column;
    T mean, var;
    merge_statistics(means, squares, chunks, rows, width, chunk, j, mean,
                     var);
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
    for (long long i = tile.first + threadIdx.y; i < tile.end; i += ROWS) {
        const T z = normalize(x[i * width + j], mean, scale, shift);
        y[i * width + j] = z > 0 ? z : T(0);
    }
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
        for (long long i = tile.first + threadIdx.y; i < tile.end;
                i += ROWS) {
            const T centred = x[i * width + j] - m;
            if (normalize(x[i * width + j], m, scale, shift) > 0) {
                gbeta += gy[i * width + j];
                ggamma += gy[i * width + j] * centred;
            }
        }
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
    if (!tile.inside)
        return;
    const long long j = tile.column;
    T gbeta = 0, ggamma = 0;
    for (long long i = 0; i < chunks; i++) {
        gbeta += gbetas[i * width + j];
        ggamma += ggammas[i * width + j];
    }
    if (blockIdx.y == 0 && threadIdx.y == 0) {
        gbeta_out[j] = gbeta;
        ggamma_out[j] = ggamma;
    }
    const T m = mean[j], scale = gamma[j] * inv_std[j], shift = beta[j];
    const T along = ggamma * inv_std[j] / rows, level = gbeta / rows;
    for (long long i = tile.first + threadIdx.y; i < tile.end; i += ROWS) {
        const T centred = x[i * width + j] - m;
        const T gz = normalize(x[i * width + j], m, scale, shift) > 0
            ? gy[i * width + j] : T(0);
        gx[i * width + j] = scale * (gz - level - centred * along);
    }
}
