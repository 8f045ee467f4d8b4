// Blocks of 256 threads, blockDim.x columns by blockDim.y rows of them: each
// takes a tile of blockDim.x columns and a chunk of rows of a matrix
// (launch.columns).  Rows of threads read neighbours in memory.  With
// reduce.cuh.
#define COLUMN_THREADS 256

struct Tile {
    long long column, first, end;  // of the rows
    bool inside;
    __device__ Tile(long long rows, long long width, long long chunk)
        : column(blockIdx.x * (long long)blockDim.x + threadIdx.x),
          first(blockIdx.y * chunk),
          end(first + chunk < rows ? first + chunk : rows),
          inside(column < width) {}
};

// use(load(i), i, a) for a thread's rows i, see stream().
template <class Load, class Use>
__device__ void for_tile(const Tile& tile, Load load, Use use) {
    if (tile.inside)
        stream(tile.first + threadIdx.y, tile.end, blockDim.y, load, use);
}

// Of a column over the block's rows of threads, in order: `total` with all of
// the values added by its operator +=.  All threads of the block call this.
template <class Value>
__device__ Value column_total(Value value, Value total) {
    __shared__ Value partial[COLUMN_THREADS];
    __syncthreads();  // an earlier call's values have been read
    partial[threadIdx.y * blockDim.x + threadIdx.x] = value;
    __syncthreads();
    for (unsigned i = 0; i < blockDim.y; i++)
        total += partial[i * blockDim.x + threadIdx.x];
    return total;
}

__device__ T column_sum(T value) { return column_total(value, T(0)); }
