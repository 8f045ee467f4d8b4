// Rotation, then shears, then scales, then shifts, each of the seven left out
// unless a coin of its own says otherwise; a thread for each image.
#include "philox.cuh"

extern "C" __global__ void random_affine_matrices(
        long long n, T rotation, T shear, T scale, T shift, T probability,
        long long seed, long long step, T* matrix) {
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            i < n; i += gridDim.x * (long long)blockDim.x) {
        unsigned word[16];
        for (int j = 0; j < 16; j += 4) {
            const Philox random = philox(
                unsigned(j / 4), unsigned(i), unsigned(step),
                unsigned(step >> 32), seed);
            for (int k = 0; k < 4; k++)
                word[j + k] = random.word[k];
        }
        const T range[7] = {rotation, shear, shear, scale, scale, shift,
                            shift};
        T drawn[7];
        for (int j = 0; j < 7; j++)
            drawn[j] = uniform(word[7 + j]) < probability
                ? range[j] * (2 * uniform(word[j]) - 1) : T(0);
        T sine, cosine;
        sincospi(drawn[0] * T(1 / 3.141592653589793), &sine, &cosine);
        T* out = matrix + 6 * i;
        out[0] = (cosine - sine * drawn[2]) * (1 + drawn[3]);
        out[1] = (cosine * drawn[1] - sine) * (1 + drawn[4]);
        out[2] = drawn[5];
        out[3] = (sine + cosine * drawn[2]) * (1 + drawn[3]);
        out[4] = (sine * drawn[1] + cosine) * (1 + drawn[4]);
        out[5] = drawn[6];
    }
}
