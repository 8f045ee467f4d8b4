// The nearest codes of each query, sorted by distance and, where it is equal,
// by their place in the gallery: a counting sort.
//
// hamming_histograms (hamming.cu) counts the codes of each chunk of the
// gallery at each distance.  In a query's row of (n_bits + 1) x chunks counts
// and a 0 behind them, exclusive sums say where in the query's result the
// codes of a distance and chunk begin.  A warp for each query and chunk goes
// over the chunk again and puts what is near enough into its place.
#include "hamming.cuh"

#define FULL_WARP 0xffffffffu
#define WARPS 8
#define UNROLL 4
#define ITEMS 8

// Replaces each row of x by its exclusive sums; a block for a row, ITEMS
// neighbours a thread.
extern "C" __global__ void scan_rows(
        long long* x, long long rows, long long width) {
    __shared__ long long sums[WARPS];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (long long i = blockIdx.x; i < rows; i += gridDim.x) {
        long long before = 0;
        for (long long first = 0; first < width;
                first += 32 * WARPS * ITEMS) {
            const long long j = first + ITEMS * threadIdx.x;
            long long value[ITEMS], all = 0;
            #pragma unroll
            for (int k = 0; k < ITEMS; k++) {
                value[k] = j + k < width ? x[i * width + j + k] : 0;
                all += value[k];
            }
            long long sum = all;
            for (int distance = 1; distance < 32; distance *= 2) {
                const long long other =
                    __shfl_up_sync(FULL_WARP, sum, distance);
                if (lane >= distance)
                    sum += other;
            }
            __syncthreads();  // the last sums have been read
            if (lane == 31)
                sums[warp] = sum;
            __syncthreads();
            sum += before - all;
            for (int w = 0; w < WARPS; w++) {
                if (w < warp)
                    sum += sums[w];
                before += sums[w];
            }
            #pragma unroll
            for (int k = 0; k < ITEMS; k++) {
                if (j + k < width)
                    x[i * width + j + k] = sum;
                sum += value[k];
            }
        }
    }
}

// `starts`: the exclusive sums.  Taken are codes at distances up to `most`,
// for each query the first k.  Its result begins at lims[q], or q * k where
// lims is null; ids may be null for numbers from 0.
//
// A warp holds the next place of each distance, takes 32 codes at a time and,
// of those, all at one distance together: a ballot says how many come first.
extern "C" __global__ void place_nearest(
        const unsigned* queries, long long n_queries, const unsigned* gallery,
        long long n_gallery, const long long* ids, long long chunk,
        long long chunks, long long n_bits, const long long* starts,
        const long long* lims, long long k, long long most, int* distances,
        long long* found) {
    __shared__ long long places[WARPS][32 * WORDS + 1];
    long long* const next = places[threadIdx.y];
    const int lane = threadIdx.x;
    for (long long task = blockIdx.x * (long long)WARPS + threadIdx.y;
            task < n_queries * chunks; task += gridDim.x * (long long)WARPS) {
        const long long q = task % n_queries, c = task / n_queries;
        const long long* start = starts + q * ((n_bits + 1) * chunks + 1) + c;
        long long left = 0;  // codes that this warp is to place
        int limit = -1;      // the largest of their distances
        __syncwarp();        // the last query's places have been read
        for (int d = lane; d <= most; d += 32) {
            const long long n = min(start[d * chunks + 1], k)
                - min(start[d * chunks], k);
            next[d] = start[d * chunks];
            left += n;
            limit = n ? d : limit;
        }
        for (int distance = 16; distance > 0; distance /= 2) {
            left += __shfl_xor_sync(FULL_WARP, left, distance);
            limit = max(limit, __shfl_xor_sync(FULL_WARP, limit, distance));
        }
        __syncwarp();

        const Code query = load(queries, n_queries, q);
        const long long out = lims ? lims[q] : q * k;
        const long long end = min(c * chunk + chunk, n_gallery);
        for (long long first = c * chunk; left > 0 && first < end;
                first += 32 * UNROLL) {
            int distance[UNROLL];
            #pragma unroll
            for (int u = 0; u < UNROLL; u++) {
                const long long j = first + 32 * u + lane;
                distance[u] = 32 * WORDS + 1;  // none
                if (j < end)
                    distance[u] = hamming(load(gallery, n_gallery, j), query);
            }
            #pragma unroll
            for (int u = 0; u < UNROLL; u++) {
                const long long j = first + 32 * u + lane;
                unsigned near = __ballot_sync(FULL_WARP, distance[u] <= limit);
                while (near) {
                    const int d = __shfl_sync(
                        FULL_WARP, distance[u], __ffs(near) - 1);
                    const unsigned same =
                        __ballot_sync(FULL_WARP, distance[u] == d);
                    const long long start_d = next[d];
                    const long long place =
                        start_d + __popc(same & ((1u << lane) - 1));
                    if (distance[u] == d && place < k) {
                        distances[out + place] = d;
                        found[out + place] = ids ? ids[j] : j;
                    }
                    const long long end_d = start_d + __popc(same);
                    __syncwarp();  // all have read next[d]
                    if (lane == 0)
                        next[d] = end_d;
                    __syncwarp();
                    left -= min(end_d, k) - min(start_d, k);
                    if (d == limit && end_d >= k)
                        limit--;  // the rest at this distance is too late
                    near &= ~same;
                }
            }
        }
    }
}
