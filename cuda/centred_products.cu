// Matrix products of x less the means of its columns, x of shape (rows, width).
//
// A block computes a tile of TILE x TILE of the product.  It brings DEPTH terms
// of each factor into shared memory at a time, and a thread adds up 4 x 4
// numbers in registers: two reads of four numbers there for sixteen
// multiplications.  While it multiplies, its next terms are on their way.
//
// TILE is 64, and 16 or 32 where that is all there is: then a block has a tile
// several times over, each group of threads takes every GROUPS-th depth, and
// what they have is added up at the end.
#define THREADS 256
#define SIDE (TILE / 4)
#define GROUPS (THREADS / (SIDE * SIDE))
#define DEPTH (1024 / TILE)
#define LOADS (TILE * DEPTH / THREADS)

struct alignas(4 * sizeof(T)) Four {
    T of[4];
};

// Terms of one factor, side by side those of the same depth.  The padding
// keeps apart, in other banks, what is stored across.
struct Terms {
    Four of[DEPTH][TILE / 4 + 1];
};

struct Place {
    int depth, i;
};

// A factor whose terms are below each other: x[depth, first + i], less the
// column's mean if there is one.
struct Columns {
    const T *x, *mean;
    long long width, first;
    // What the n-th of a block's loads is for: neighbours in memory.
    __device__ static Place place(int n) { return {n / TILE, n % TILE}; }
    __device__ T load(long long depth, int i) const {
        const long long j = first + i;
        if (j >= width)
            return 0;
        return mean ? x[depth * width + j] - mean[j] : x[depth * width + j];
    }
};

// A factor whose terms are in a row: x[first + i, depth] less the mean.
struct Rows {
    const T *x, *mean;
    long long rows, width, first;
    __device__ static Place place(int n) { return {n % DEPTH, n / DEPTH}; }
    __device__ T load(long long depth, int i) const {
        const long long row = first + i;
        return row < rows ? x[row * width + depth] - mean[depth] : T(0);
    }
};

template <class Factor>
__device__ void load(const Factor& factor, long long first, long long end,
                     T (&loaded)[LOADS]) {
    for (int l = 0; l < LOADS; l++) {
        const Place place = Factor::place(
            l * THREADS + threadIdx.x);
        const long long depth = first + place.depth;
        loaded[l] = depth < end ? factor.load(depth, place.i) : T(0);
    }
}

template <class Factor>
__device__ void store(const T (&loaded)[LOADS], Terms& terms) {
    for (int l = 0; l < LOADS; l++) {
        const Place place = Factor::place(
            l * THREADS + threadIdx.x);
        terms.of[place.depth][place.i / 4].of[place.i % 4] = loaded[l];
    }
}

// A thread's part of a tile: rows 4 y + a, columns 4 x + b.
struct Sums {
    T of[4][4];
    __device__ static int group() { return threadIdx.x / (SIDE * SIDE); }
    __device__ static int y() { return threadIdx.x / SIDE % SIDE; }
    __device__ static int x() { return threadIdx.x % SIDE; }
};

// Adds up those of all groups; the first group has them.
__device__ void add_groups(Sums& sums) {
    __shared__ Four others[GROUPS / 2 + 1][4][SIDE * SIDE];
    const int place = threadIdx.x % (SIDE * SIDE), group = Sums::group();
    for (int half = GROUPS / 2; half > 0; half /= 2) {
        __syncthreads();  // those of twice as many have been read
        if (group >= half && group < 2 * half)
            for (int a = 0; a < 4; a++)
                for (int b = 0; b < 4; b++)
                    others[group - half][a][place].of[b] = sums.of[a][b];
        __syncthreads();
        if (group < half)
            for (int a = 0; a < 4; a++)
                for (int b = 0; b < 4; b++)
                    sums.of[a][b] += others[group][a][place].of[b];
    }
}

// Over depths from `first` to `end`.
template <class Left, class Right>
__device__ Sums multiply(const Left& left, const Right& right,
                         long long first, long long end) {
    __shared__ Terms left_terms;
    __shared__ Terms right_terms;
    Sums sums = {};
    T next_left[LOADS], next_right[LOADS];
    load(left, first, end, next_left);
    load(right, first, end, next_right);
    for (; first < end; first += DEPTH) {
        store<Left>(next_left, left_terms);
        store<Right>(next_right, right_terms);
        __syncthreads();
        load(left, first + DEPTH, end, next_left);
        load(right, first + DEPTH, end, next_right);
        #pragma unroll
        for (int depth = 0; depth < DEPTH; depth += GROUPS) {
            const Four l = left_terms.of[depth + Sums::group()][Sums::y()];
            const Four r = right_terms.of[depth + Sums::group()][Sums::x()];
            for (int a = 0; a < 4; a++)
                for (int b = 0; b < 4; b++)
                    sums.of[a][b] += l.of[a] * r.of[b];
        }
        __syncthreads();
    }
    if (GROUPS > 1)
        add_groups(sums);
    return sums;
}

// (x - mean)^T (x - mean) / rows, one part for each chunk of rows: out has
// shape (chunks, width, width).
extern "C" __global__ void __launch_bounds__(THREADS, 1) centred_covariances(
        const T* x, const T* mean, long long rows, long long width,
        long long chunk, T* out) {
    if (blockIdx.x < blockIdx.y)
        return;  // the tile across the diagonal writes this one too
    const Columns left = {x, mean, width, blockIdx.y * (long long)TILE};
    const Columns right = {x, mean, width, blockIdx.x * (long long)TILE};
    const long long first = blockIdx.z * chunk;
    const long long end = first + chunk < rows ? first + chunk : rows;
    const Sums sums = multiply(left, right, first, end);
    if (Sums::group() > 0)
        return;
    out += blockIdx.z * width * width;
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            const long long u = left.first + 4 * Sums::y() + a;
            const long long v = right.first + 4 * Sums::x() + b;
            const T covariance = sums.of[a][b] / rows;
            if (u < width && v < width) {
                out[u * width + v] = covariance;
                if (blockIdx.x > blockIdx.y)
                    out[v * width + u] = covariance;
            }
        }
}

// (x - mean) matrix, of shape (rows, width).
extern "C" __global__ void __launch_bounds__(THREADS, 1) centred_times(
        const T* x, const T* mean, const T* matrix, long long rows,
        long long width, T* out) {
    const Rows left = {x, mean, rows, width, blockIdx.x * (long long)TILE};
    const Columns right = {
        matrix, nullptr, width, blockIdx.y * (long long)TILE};
    const Sums sums = multiply(left, right, 0, width);
    if (Sums::group() > 0)
        return;
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            const long long i = left.first + 4 * Sums::y() + a;
            const long long v = right.first + 4 * Sums::x() + b;
            if (i < rows && v < width)
                out[i * width + v] = sums.of[a][b];
        }
}
