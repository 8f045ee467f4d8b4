// CUDA's words for one kernel source, compiled by an ordinary C++ compiler.
//
// Threads are fibers of one OS thread (simt.cpp); they change only where they
// wait for each other.  Everything that touches memory is in simt.cpp: what is
// here is compiled with -fsanitize=thread, as the kernels are, so that every
// load and store calls a check first.  __shared__ declarations are rewritten
// to simt::shared by __init__.py.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define warpSize 32

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };

#define SIMT_VECTOR2(T, name, bytes) \
    struct alignas(bytes) name { T x, y; }; \
    inline name make_##name(T x, T y) { return {x, y}; }
#define SIMT_VECTOR4(T, name, bytes) \
    struct alignas(bytes) name { T x, y, z, w; }; \
    inline name make_##name(T x, T y, T z, T w) { return {x, y, z, w}; }
SIMT_VECTOR2(float, float2, 8)
SIMT_VECTOR4(float, float4, 16)
SIMT_VECTOR2(double, double2, 16)
SIMT_VECTOR2(int, int2, 8)
SIMT_VECTOR4(int, int4, 16)
SIMT_VECTOR2(unsigned, uint2, 8)
SIMT_VECTOR4(unsigned, uint4, 16)
SIMT_VECTOR2(long long, longlong2, 16)
SIMT_VECTOR2(unsigned long long, ulonglong2, 16)

extern "C" {
uint3 simt_thread_index() __attribute__((const));
uint3 simt_block_index() __attribute__((const));
dim3 simt_block_dim() __attribute__((const));
dim3 simt_grid_dim() __attribute__((const));
int simt_lane() __attribute__((const));
enum simt_vote { SIMT_COUNT, SIMT_AND, SIMT_OR };
int simt_barrier(int predicate, enum simt_vote, const char* file, int line);
uint64_t simt_shuffle(
    unsigned mask, uint64_t bits, int source, const char* file, int line);
unsigned simt_ballot(
    unsigned mask, int predicate, const char* what, const char* file,
    int line);
unsigned simt_active_mask();
void simt_fence();
void* simt_shared(const void* key, size_t bytes, size_t align);
void* simt_dynamic_shared();
void simt_atomic_access(const void* address, size_t bytes, const void* caller);
}

#define threadIdx (simt_thread_index())
#define blockIdx (simt_block_index())
#define blockDim (simt_block_dim())
#define gridDim (simt_grid_dim())

// --- Shared memory ---------------------------------------------------------
namespace simt {
// One variable for each declaration, told apart by its number and type.
template <class A, int number> A& shared() {
    static const char key = 0;
    return *static_cast<A*>(simt_shared(&key, sizeof(A), alignof(A)));
}

template <class T> uint64_t bits_of(T value) {
    static_assert(sizeof(T) <= 8, "at most 64 bits");
    uint64_t bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    return bits;
}

template <class T> T from_bits(uint64_t bits) {
    T value;
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}

template <class To, class From> To reinterpret(From value) {
    static_assert(sizeof(To) == sizeof(From), "");
    return from_bits<To>(bits_of(value));
}

template <class T> T shuffle(
    unsigned mask, T value, int source, const char* file, int line) {
    return from_bits<T>(
        simt_shuffle(mask, bits_of(value), source, file, line));
}

// First lane of the segment of `width` lanes that the caller is in.
inline int segment(int width) { return simt_lane() & ~(width - 1); }

template <class T> T shfl(unsigned mask, T v, int source, int width,
                          const char* file, int line) {
    return shuffle(mask, v, segment(width) + (source & (width - 1)), file,
                   line);
}

template <class T> T shfl_up(unsigned mask, T v, unsigned delta, int width,
                             const char* file, int line) {
    int source = simt_lane() - int(delta);
    return shuffle(mask, v, source < segment(width) ? simt_lane() : source,
                   file, line);
}

template <class T> T shfl_down(unsigned mask, T v, unsigned delta, int width,
                               const char* file, int line) {
    int source = simt_lane() + int(delta);
    return shuffle(mask, v,
                   source >= segment(width) + width ? simt_lane() : source,
                   file, line);
}

template <class T> T shfl_xor(unsigned mask, T v, int bits, int width,
                              const char* file, int line) {
    int source = simt_lane() ^ bits;
    return shuffle(mask, v,
                   source >= segment(width) + width ? simt_lane() : source,
                   file, line);
}

// The macros below add file and line behind an optional width.
struct At { const char* file; int line; };
#define SIMT_SHUFFLE(name) \
    template <class T, class B> T name(At at, unsigned mask, T v, B b, \
                                       int width = 32) { \
        return name(mask, v, b, width, at.file, at.line); \
    }
SIMT_SHUFFLE(shfl)
SIMT_SHUFFLE(shfl_up)
SIMT_SHUFFLE(shfl_down)
SIMT_SHUFFLE(shfl_xor)
}  // namespace simt

// --- Waiting for each other ------------------------------------------------
#define SIMT_AT simt::At{__FILE__, __LINE__}
#define __syncthreads() \
    ((void)simt_barrier(0, SIMT_COUNT, __FILE__, __LINE__))
#define __syncthreads_count(p) \
    simt_barrier(!!(p), SIMT_COUNT, __FILE__, __LINE__)
#define __syncthreads_and(p) simt_barrier(!!(p), SIMT_AND, __FILE__, __LINE__)
#define __syncthreads_or(p) simt_barrier(!!(p), SIMT_OR, __FILE__, __LINE__)
#define SIMT_FIRST(mask, ...) mask
#define __syncwarp(...) \
    ((void)simt_ballot(SIMT_FIRST(__VA_ARGS__ __VA_OPT__(,) 0xffffffffu), \
                       0, "__syncwarp", __FILE__, __LINE__))
#define __shfl_sync(...) simt::shfl(SIMT_AT, __VA_ARGS__)
#define __shfl_up_sync(...) simt::shfl_up(SIMT_AT, __VA_ARGS__)
#define __shfl_down_sync(...) simt::shfl_down(SIMT_AT, __VA_ARGS__)
#define __shfl_xor_sync(...) simt::shfl_xor(SIMT_AT, __VA_ARGS__)
#define __ballot_sync(mask, p) \
    simt_ballot(mask, !!(p), "__ballot_sync", __FILE__, __LINE__)
#define __any_sync(mask, p) int(__ballot_sync(mask, p) != 0)
#define __all_sync(mask, p) int(__ballot_sync(mask, !(p)) == 0)
#define __activemask() simt_active_mask()
#define __threadfence() simt_fence()
#define __threadfence_block() ((void)0)

// --- Atomics: fibers do not interrupt each other ---------------------------
#define SIMT_ATOMIC(name, result) \
    template <class T> __attribute__((noinline, no_sanitize("thread"))) \
    T name(T* p, typename std::common_type<T>::type v) { \
        simt_atomic_access(p, sizeof(T), __builtin_return_address(0)); \
        T old = *p; \
        *p = result; \
        return old; \
    }
SIMT_ATOMIC(atomicAdd, old + v)
SIMT_ATOMIC(atomicSub, old - v)
SIMT_ATOMIC(atomicMin, v < old ? v : old)
SIMT_ATOMIC(atomicMax, v > old ? v : old)
SIMT_ATOMIC(atomicExch, v)
SIMT_ATOMIC(atomicAnd, old & v)
SIMT_ATOMIC(atomicOr, old | v)
SIMT_ATOMIC(atomicXor, old ^ v)
SIMT_ATOMIC(atomicInc, old >= v ? 0 : old + 1)
template <class T> __attribute__((noinline, no_sanitize("thread")))
T atomicCAS(T* p, typename std::common_type<T>::type compare,
            typename std::common_type<T>::type v) {
    simt_atomic_access(p, sizeof(T), __builtin_return_address(0));
    T old = *p;
    if (old == compare) *p = v;
    return old;
}

// --- Arithmetic ------------------------------------------------------------
using std::abs; using std::ceil; using std::cos; using std::erf;
using std::exp; using std::exp2; using std::expm1; using std::fabs;
using std::floor; using std::fma; using std::fmax; using std::fmin;
using std::fmod; using std::isfinite; using std::isinf; using std::isnan;
using std::log; using std::log1p; using std::log2; using std::pow;
using std::round; using std::sin; using std::sqrt; using std::tanh;
using std::trunc; using std::rint; using std::copysign;

#define SIMT_MIN_MAX(T) \
    inline T min(T a, T b) { return b < a ? b : a; } \
    inline T max(T a, T b) { return a < b ? b : a; }
SIMT_MIN_MAX(int)
SIMT_MIN_MAX(unsigned)
SIMT_MIN_MAX(long)
SIMT_MIN_MAX(unsigned long)
SIMT_MIN_MAX(long long)
SIMT_MIN_MAX(unsigned long long)
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }

inline float rsqrt(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline float rsqrtf(float x) { return rsqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __sinf(float x) { return std::sin(x); }
inline float __cosf(float x) { return std::cos(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline void simt_sincos(float x, float* s, float* c) {
    *s = std::sin(x), *c = std::cos(x);
}
inline void simt_sincos(double x, double* s, double* c) {
    *s = std::sin(x), *c = std::cos(x);
}
#define sincos simt_sincos
#define sincosf simt_sincos
inline void simt_sincospi(double x, double* s, double* c) {
    // Exact where x is: the nearest multiple of 1/2 is taken away first.
    const double n = std::rint(2 * x), r = M_PI * (x - n / 2);
    const double sine = std::sin(r), cosine = std::cos(r);
    const int quarter = int(n - 4 * std::floor(n / 4));
    *s = quarter == 0 ? sine : quarter == 1 ? cosine
        : quarter == 2 ? -sine : -cosine;
    *c = quarter == 0 ? cosine : quarter == 1 ? -sine
        : quarter == 2 ? -cosine : sine;
}
inline void simt_sincospi(float x, float* s, float* c) {
    double sine, cosine;
    simt_sincospi(double(x), &sine, &cosine);
    *s = sine, *c = cosine;
}
#define sincospi simt_sincospi
inline double cospi(double x) { return std::cos(M_PI * x); }
inline double sinpi(double x) { return std::sin(M_PI * x); }
inline float cospif(float x) { return cospi(x); }
inline float sinpif(float x) { return sinpi(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int i = 0; i < 32; i++) reversed |= (x >> i & 1) << (31 - i);
    return reversed;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
    return uint64_t(a) * b >> 32;
}
inline unsigned long long __umul64hi(
    unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}
template <class T> T __ldg(const T* p) { return *p; }
inline float __int_as_float(int x) { return simt::reinterpret<float>(x); }
inline int __float_as_int(float x) { return simt::reinterpret<int>(x); }
inline float __uint_as_float(unsigned x) {
    return simt::reinterpret<float>(x);
}
inline unsigned __float_as_uint(float x) {
    return simt::reinterpret<unsigned>(x);
}
inline double __longlong_as_double(long long x) {
    return simt::reinterpret<double>(x);
}
inline long long __double_as_longlong(double x) {
    return simt::reinterpret<long long>(x);
}

// --- What ElementwiseKernel calls `raw` ------------------------------------
template <class T> struct RawArray {
    T* pointer;
    long long length;
    T& operator[](long long i) const { return pointer[i]; }
    long long size() const { return length; }
};

// --- Calling a kernel from Python ------------------------------------------
namespace simt {
template <class T> constexpr char kind =
    std::is_same<T, bool>::value ? 'b' : std::is_floating_point<T>::value
    ? 'f' : std::is_signed<T>::value ? 'i' : 'u';

// "*f4" for float*, "&f4" for const float*, "i8" for long long, ...
template <class P> struct Code {
    static void write(char*& s) { *s++ = kind<P>, *s++ = '0' + sizeof(P); }
};
template <class P> struct Code<P*> {
    static void write(char*& s) {
        *s++ = std::is_const<P>::value ? '&' : '*';
        Code<typename std::remove_const<P>::type>::write(s);
    }
};

template <class... P> void signature(void (*)(P...), char* s) {
    ((Code<P>::write(s), *s++ = ' '), ...);
    *s = 0;
}

template <class... P, size_t... i> __attribute__((no_sanitize("thread")))
void apply(void (*kernel)(P...), void* const* slots,
           std::index_sequence<i...>) {
    kernel(*static_cast<P*>(slots[i])...);
}

template <class... P> __attribute__((no_sanitize("thread")))
void apply(void (*kernel)(P...), void* const* slots) {
    apply(kernel, slots, std::index_sequence_for<P...>());
}
}  // namespace simt

#define SIMT_ENTRY(kernel, bounds, ...) \
    extern "C" int simt_bounds_##kernel() { return bounds; } \
    extern "C" void simt_signature_##kernel(char* s) { \
        simt::signature(&kernel, s); \
    } \
    extern "C" __attribute__((no_sanitize("thread"))) \
    void simt_call_##kernel(void* const* slots) { \
        simt::apply(&kernel, slots); \
    }
