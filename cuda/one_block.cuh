// What is small takes as long as its launches: kernels of a single block, as
// launch.one_block() has it, go through all of it in one.  With reduce.cuh.
#define BLOCK_ROWS 1024
#define BLOCK_COLUMNS 64
#define SIDE 4

__device__ int thread_of_block() {
    return threadIdx.y * blockDim.x + threadIdx.x;
}

__device__ int threads_of_block() { return blockDim.x * blockDim.y; }

// use(j, lane) for each column j of a warp, one after the other.
template <class Use>
__device__ void for_columns(int width, Use use) {
    const int thread = thread_of_block();
    for (int j = thread / 32; j < width; j += threads_of_block() / 32)
        use(j, thread % 32);
}

__device__ T warp_sum(T value) { return reduce_lanes(value, 32, Sum()); }

// A square of SIDE x SIDE entries of a matrix product, summed by one thread.
struct Square {
    T sum[SIDE][SIDE];
    __device__ Square() : sum{} {}
    // Adds the products of SIDE numbers left(a) and SIDE numbers right(b).
    template <class Left, class Right>
    __device__ void add(Left left, Right right) {
        T l[SIDE], r[SIDE];
        #pragma unroll
        for (int a = 0; a < SIDE; a++) {
            l[a] = left(a);
            r[a] = right(a);
        }
        #pragma unroll
        for (int a = 0; a < SIDE; a++)
            #pragma unroll
            for (int b = 0; b < SIDE; b++)
                sum[a][b] += l[a] * r[b];
    }
    // use(a, b, sum)
    template <class Use>
    __device__ void each(Use use) const {
        #pragma unroll
        for (int a = 0; a < SIDE; a++)
            #pragma unroll
            for (int b = 0; b < SIDE; b++)
                use(a, b, sum[a][b]);
    }
};

// x^T x over the rows of x, shape (rows, width), to `out`, in shared memory.
// Threads share the rows in `shares` parts, which are added up in order.
__device__ void gram_of_block(const T* x, int rows, int width, T* out) {
    const int tiles = (width + SIDE - 1) / SIDE;
    const int shares = min(threads_of_block() / max(tiles * tiles, 1), 8);
    const int square = thread_of_block() / shares;
    const int share = thread_of_block() % shares;
    const int u = square / max(tiles, 1) * SIDE;
    const int v = square % max(tiles, 1) * SIDE;
    Square of;
    if (u < width)
        for (int i = share; i < rows; i += shares) {
            const T* row = x + i * width;
            of.add([&](int a) { return u + a < width ? row[u + a] : T(0); },
                   [&](int b) { return v + b < width ? row[v + b] : T(0); });
        }
    for (int turn = 0; turn < shares; turn++) {
        if (turn == share)
            of.each([&](int a, int b, T sum) {
                if (u + a < width && v + b < width) {
                    T* entry = out + (u + a) * width + v + b;
                    *entry = turn ? *entry + sum : sum;
                }
            });
        __syncthreads();
    }
}

// use(i, j, (x matrix)[i, j]), x of shape (rows, width), once for each entry;
// what is used may take the place of x.
template <class Use>
__device__ void times_of_block(
        const T* x, const T* matrix, int rows, int width, Use use) {
    const int tiles = max((width + SIDE - 1) / SIDE, 1);
    const int at_once = threads_of_block() / tiles * SIDE;  // rows
    const int v = thread_of_block() % tiles * SIDE;
    for (int first = 0; first < rows; first += at_once) {
        const int i = first + thread_of_block() / tiles * SIDE;
        const int end = min(rows, first + at_once);
        Square of;
        if (i < end)
            for (int e = 0; e < width; e++)
                of.add([&](int a) {
                    return i + a < end ? x[(i + a) * width + e] : T(0);
                }, [&](int b) {
                    return v + b < width ? matrix[e * width + v + b] : T(0);
                });
        __syncthreads();
        of.each([&](int a, int b, T sum) {
            if (i + a < end && v + b < width)
                use(i + a, v + b, sum);
        });
    }
}

// Three values that all threads know, and their sum with weights.
__device__ void write_values(
        T first, T second, T third, const T* weights, T* values) {
    if (thread_of_block() == 0) {
        values[0] = first;
        values[1] = second;
        values[2] = third;
        values[3] = weights[0] * first + weights[1] * second
            + weights[2] * third;
    }
}
