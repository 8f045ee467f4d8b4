#include "hamming.cuh"

// From codes of `width` bytes, shape (n, width), to words.
extern "C" __global__ void codes_to_words(
        const unsigned char* codes, long long n, long long width,
        unsigned* words) {
    for (long long j = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            j < n; j += gridDim.x * (long long)blockDim.x)
        #pragma unroll
        for (int w = 0; w < WORDS; w++) {
            unsigned word = 0;
            for (int b = 0; b < 4 && 4 * w + b < width; b++)
                word |= unsigned(codes[j * width + 4 * w + b]) << 8 * b;
            words[w * n + j] = word;
        }
}

// And back.
extern "C" __global__ void words_to_codes(
        const unsigned* words, long long n, long long width,
        unsigned char* codes) {
    for (long long j = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            j < n; j += gridDim.x * (long long)blockDim.x)
        for (int b = 0; b < width; b++)
            codes[j * width + b] = words[b / 4 * n + j] >> b % 4 * 8;
}

// All pairs, shape (n, m).  A thread keeps one code of b and goes over ROWS
// of a, which all threads of a warp read from the same place; the distances
// that a warp writes are neighbours.
#define ROWS 32

extern "C" __global__ void hamming_distances(
        const unsigned* a, long long n, const unsigned* b, long long m,
        unsigned short* distances) {
    const long long j = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (j >= m)
        return;
    const Code code = load(b, m, j);
    for (long long first = blockIdx.y * (long long)ROWS; first < n;
            first += gridDim.y * (long long)ROWS)
        #pragma unroll 4
        for (long long i = first; i < first + ROWS && i < n; i++)
            distances[i * m + j] = hamming(load(a, n, i), code);
}

// How many codes of the gallery lie at each distance from each query: all of
// them and those of the query's label.
//
// A block takes blockDim.x queries, one for each threadIdx.x, and a chunk of
// the gallery, blockIdx.y, of which it loads TILE codes at a time to shared
// memory; threads of one query share a tile, four codes at a time in turn.
// Each thread counts for itself, in shared memory that no other thread
// touches: without atomics or bank conflicts, as thread t's counters are all
// in bank t % 32.  A counter has all codes in its lower half and those of the
// label in its upper one, and is emptied before one could overflow; the last
// is for all that is further than n_bits, and not read.
//
// Counts are added to total[q * row + d * step], plus blockIdx.y if step is
// not 1, and likewise to relevant; that and the labels may be null.
#define TILE (1024 / WORDS)
#define THREADS (256 / WORDS)

__device__ void add(long long* sum, unsigned n) {
    atomicAdd((unsigned long long*)sum, n);  // there is none for long long
}

extern "C" __global__ void hamming_histograms(
        const unsigned* queries, const long long* query_labels,
        long long n_queries, const unsigned* gallery,
        const long long* gallery_labels, long long n_gallery,
        long long chunk, long long n_bits, long long row, long long step,
        long long* total, long long* relevant) {
    extern __shared__ unsigned counters[];
    __shared__ uint4 tile[WORDS][TILE / 4];
    __shared__ longlong2 labels[TILE / 2];
    const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
    unsigned* const mine = counters + thread;
    const int last = n_bits + 1;
    for (int d = 0; d <= last; d++)
        mine[d * THREADS] = 0;

    const long long first_query = blockIdx.x * (long long)blockDim.x;
    const long long q = first_query + threadIdx.x;
    Code query = {};
    long long label = 0;
    if (q < n_queries) {
        query = load(queries, n_queries, q);
        label = query_labels ? query_labels[q] : 0;
    }
    const auto count = [&](int distance, long long label_there) {
        mine[min(distance, last) * THREADS] +=
            label_there == label ? 0x10001 : 1;
    };

    // A thread counts so many codes of a tile at most.
    const int tiles_until_full = 0xffff / (TILE / blockDim.y);
    const long long begin = blockIdx.y * chunk;
    const long long end = min(begin + chunk, n_gallery);
    int tiles = 0;  // since the counters were emptied
    for (long long first = begin; first < end; first += TILE) {
        const unsigned n = min((long long)TILE, end - first);
        __syncthreads();  // the last tile has been read
        for (unsigned j = thread; j < n; j += THREADS) {
            #pragma unroll
            for (int w = 0; w < WORDS; w++)
                ((unsigned*)tile[w])[j] = gallery[w * n_gallery + first + j];
            ((long long*)labels)[j] =
                gallery_labels ? gallery_labels[first + j] : 0;
        }
        __syncthreads();

        unsigned j = 4 * threadIdx.y;
        for (; j + 4 <= n; j += 4 * blockDim.y) {
            int distance[4] = {};
            #pragma unroll
            for (int w = 0; w < WORDS; w++) {
                const uint4 words = tile[w][j / 4];
                distance[0] += __popc(words.x ^ query.word[w]);
                distance[1] += __popc(words.y ^ query.word[w]);
                distance[2] += __popc(words.z ^ query.word[w]);
                distance[3] += __popc(words.w ^ query.word[w]);
            }
            const longlong2 a = labels[j / 2], b = labels[j / 2 + 1];
            count(distance[0], a.x);
            count(distance[1], a.y);
            count(distance[2], b.x);
            count(distance[3], b.y);
        }
        for (; j < n; j++) {  // fewer than four, for one thread of each query
            int distance = 0;
            #pragma unroll
            for (int w = 0; w < WORDS; w++)
                distance += __popc(((unsigned*)tile[w])[j] ^ query.word[w]);
            count(distance, ((long long*)labels)[j]);
        }

        if (++tiles < tiles_until_full && first + TILE < end)
            continue;
        tiles = 0;
        __syncthreads();
        for (unsigned e = thread; e < last * blockDim.x; e += THREADS) {
            const unsigned d = e / blockDim.x, x = e % blockDim.x;
            unsigned of_all = 0, of_label = 0;
            for (unsigned y = 0; y < blockDim.y; y++) {
                unsigned& counter = counters[d * THREADS + y * blockDim.x + x];
                of_all += counter & 0xffff;
                of_label += counter >> 16;
                counter = 0;
            }
            const long long at = (first_query + x) * row + d * step
                + (step == 1 ? 0 : blockIdx.y);
            if (first_query + x < n_queries && of_all) {
                add(total + at, of_all);
                if (relevant && of_label)
                    add(relevant + at, of_label);
            }
        }
    }
}
