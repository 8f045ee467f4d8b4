// Philox4x32-10 (Salmon et al. 2011): four random words from a counter and a
// key, without a state; and normal numbers from them.

struct Philox {
    unsigned word[4];
};

__device__ Philox philox(
        unsigned c0, unsigned c1, unsigned c2, unsigned c3,
        unsigned long long key) {
    unsigned k0 = unsigned(key), k1 = unsigned(key >> 32);
    for (int round = 0; round < 10; round++) {
        const unsigned high0 = __umulhi(0xD2511F53u, c0);
        const unsigned low0 = 0xD2511F53u * c0;
        const unsigned high1 = __umulhi(0xCD9E8D57u, c2);
        const unsigned low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// In (0, 1], the same in float and double but for the rounding.
__device__ T uniform(unsigned word) {
    return (T(word >> 8) + T(.5)) * T(1 / 16777216.);
}

// Four normal numbers (Box and Muller 1958).
__device__ void normals(Philox random, T* z) {
    for (int i = 0; i < 4; i += 2) {
        const T radius = sqrt(-2 * log(uniform(random.word[i])));
        // (Of multiples of pi there is no angle too large to be reduced.)
        T sine, cosine;
        sincospi(2 * uniform(random.word[i + 1]), &sine, &cosine);
        z[i] = radius * cosine;
        z[i + 1] = radius * sine;
    }
}
