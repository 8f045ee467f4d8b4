// Blocks of 32 columns by 8 rows of threads: each takes a tile of 32 columns
// and a chunk of rows of a matrix (launch.columns).
#define TILE 32
#define ROWS 8

struct Tile {
    long long column, first, end;  // of the rows
    bool inside;
    __device__ Tile(long long rows, long long width, long long chunk)
        : column(blockIdx.x * (long long)TILE + threadIdx.x),
          first(blockIdx.y * chunk),
          end(first + chunk < rows ? first + chunk : rows),
          inside(column < width) {}
};

// A column's sum over the block's rows of threads.
__device__ T column_sum(T value) {
    __shared__ T partial[ROWS][TILE];
    __syncthreads();  // an earlier call's values have been read
    partial[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    T sum = 0;
    for (int i = 0; i < ROWS; i++)
        sum += partial[i][threadIdx.x];
    return sum;
}
