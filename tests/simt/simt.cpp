// The scheduler and the checks of the emulator; see simt.h and __init__.py.
//
// A launch runs its blocks one after another.  The threads of a block are
// fibers that run until they wait: at a barrier for the block, at a warp's
// collective (shuffle, ballot, __syncwarp) for the lanes of its mask.
//
// Kernels are compiled with -fsanitize=thread, which puts a call of
// __tsan_read4(address) and the like before every access.  Here these look the
// address up among the arrays, the shared memory and the stack of the launch,
// so that no bad access is ever carried out, and keep for every element who
// wrote it last and enough of those who read it, so that two threads that meet
// at an element without a barrier between them are noticed in whatever order
// they run.
#include <csetjmp>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace {

struct uint3 { unsigned x, y, z; };

constexpr size_t STACK = 256 << 10;
constexpr size_t SHARED_LIMIT = 48 << 10;  // of a launch that does not opt in
constexpr size_t GAP = 256;                // between variables
constexpr int MAX_THREADS = 1024;

// When something was done, and by whom.  Two threads of a block are ordered by
// a barrier in between, two of a warp also by a __syncwarp; two of different
// blocks only by a __threadfence of the first.
struct Mark {
    uint32_t thread = 0;  // plus 1; 0: nobody
    uint32_t block = 0;   // of those that run
    uint64_t step = 0;
    uint32_t barriers = 0, warp_barriers = 0;
    int warp() const { return int(thread - 1) / 32; }
};

// Of those who did the same to an element and need not be ordered: if a write
// is unordered with any of them, then with one of these.  Blocks run one after
// the other; of two warps of a block, with no barrier in between, no thread is
// ordered with both.
struct Several {
    Mark last[2];     // of two threads of a warp
    Mark other_warp;  // of its block
    Mark other_block; // with no fence after it
    void add(const Mark& mark);
};

// Updates are atomic; null where there are none.
struct Shadow { Mark write; Several reads; Several* updates; };

struct Region {
    char *lo, *hi;
    int argument;      // -1: shared memory
    size_t item;       // bytes of an element
    bool writable;
    Shadow* shadow;
};

enum State { READY, AT_BARRIER, AT_WARP, DONE };

struct Fiber {
    jmp_buf context;
    char* stack = nullptr;
    bool fresh = true;    // has never run
    State state = READY;
    uint3 index;
    uint32_t warp_barriers = 0;
    // What it waits for.
    const char *what, *file;
    int line, predicate, source, result;
    unsigned mask;
    uint64_t bits;
};

struct Launch {
    void (*call)(void* const*);
    void* const* slots;
    uint3 grid, block;
    uint64_t first_block;  // earlier ones are not run
    std::vector<Region> regions;
    size_t shared_used = 0;
    struct Variable { const void* key; char* address; };
    std::vector<Variable> variables;
    char* dynamic = nullptr;
    std::deque<Several> updates;
    std::vector<uint64_t> fences;   // by block that runs: step of its last one
    uint64_t step = 0, block_number = 0;
    uint32_t barriers = 0;
    uint3 block_index;
    int threads, waiting = 0, done = 0;
    char* message;
    size_t message_size;
    uint64_t random;
    bool failed = false;
};

Fiber fibers[MAX_THREADS];
jmp_buf scheduler;
ucontext_t first_context;
Launch* launch = nullptr;
Fiber* running = nullptr;
char* arena = nullptr;

int number(const Fiber* f) { return int(f - fibers); }

__attribute__((noreturn)) void leave() { _longjmp(scheduler, 1); }

void yield() {
    if (!_setjmp(running->context)) leave();
}

void body() {
    for (;;) {
        launch->call(launch->slots);
        running->state = DONE;
        launch->done++;
        yield();
    }
}

void resume(Fiber* f) {
    running = f;
    if (!_setjmp(scheduler)) {
        if (!f->fresh) _longjmp(f->context, 1);
        f->fresh = false;
        if (!f->stack)
            f->stack = static_cast<char*>(
                mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        getcontext(&first_context);
        first_context.uc_stack.ss_sp = f->stack;
        // At different offsets, or all stacks would share a few cache lines.
        first_context.uc_stack.ss_size = STACK - number(f) % 64 * 1088;
        first_context.uc_link = nullptr;
        makecontext(&first_context, body, 0);
        setcontext(&first_context);
    }
    running = nullptr;
}

// "LIBRARY+OFFSET": __init__.py turns it into a line of the source.
void describe_place(const void* pc, char* s, size_t size) {
    Dl_info info;
    if (pc && dladdr(pc, &info))
        snprintf(s, size, "%s+%zx", info.dli_fname,
                 size_t(static_cast<const char*>(pc)
                        - static_cast<char*>(info.dli_fbase)) - 1);
    else
        *s = 0;
}

__attribute__((format(printf, 2, 3)))
void set_message(const char* place, const char* format, ...) {
    size_t n = snprintf(launch->message, launch->message_size, "%s\n", place);
    va_list args;
    va_start(args, format);
    vsnprintf(launch->message + n, launch->message_size - n, format, args);
    va_end(args);
    launch->failed = true;
}

struct Who { char text[96]; };

Who who(int thread, uint64_t block) {
    Who w;
    const uint3 b = launch->block, g = launch->grid;
    unsigned t = thread;
    snprintf(w.text, sizeof w.text,
             "thread (%u, %u, %u) of block (%u, %u, %u)", t % b.x,
             t / b.x % b.y, t / b.x / b.y, unsigned(block % g.x),
             unsigned(block / g.x % g.y), unsigned(block / g.x / g.y));
    return w;
}

Who who() { return who(number(running), launch->block_number); }

#define FAIL_AT(pc, ...) do { \
        char place[512]; \
        describe_place(pc, place, sizeof place); \
        set_message(place, __VA_ARGS__); \
        leave(); \
    } while (0)

// --- Races -----------------------------------------------------------------
uint32_t block_that_runs() {
    return uint32_t(launch->block_number - launch->first_block);
}

bool unfenced(const Mark& then) {
    return then.step > launch->fences[then.block];
}

bool unordered(const Mark& then, bool shared) {
    if (!then.thread) return false;
    if (then.block != block_that_runs()) return !shared && unfenced(then);
    const int thread = int(then.thread) - 1;
    if (thread == number(running) || then.barriers != launch->barriers)
        return false;
    return then.warp() != number(running) / 32
        || then.warp_barriers == running->warp_barriers;
}

const Mark* unordered(const Several& marks, bool shared) {
    for (const Mark* mark : {&marks.last[0], &marks.last[1],
                             &marks.other_warp, &marks.other_block})
        if (unordered(*mark, shared)) return mark;
    return nullptr;
}

void Several::add(const Mark& mark) {
    const Mark then = last[0];
    if (then.thread && then.block != mark.block) {
        if (unfenced(then)) other_block = then;
        last[1] = other_warp = Mark();
    } else if (then.thread && then.warp() != mark.warp()) {
        other_warp = then;
        last[1] = Mark();
    } else if (then.thread != mark.thread) {
        last[1] = then;
    }
    last[0] = mark;
}

Mark now() {
    return {uint32_t(number(running)) + 1, block_that_runs(), ++launch->step,
            launch->barriers, running->warp_barriers};
}

enum Access { READ, WRITE, ATOMIC };
const char* const VERBS[] = {"reads", "writes", "updates"};

void describe_element(const Region& r, const char* address, char* s,
                      size_t size) {
    const long long element = (address - r.lo) / (long long)r.item;
    if (r.argument < 0)
        snprintf(s, size, "byte %lld of a variable of %zu bytes in shared "
                 "memory", (long long)(address - r.lo), size_t(r.hi - r.lo));
    else
        snprintf(s, size, "element %lld of argument %d, an array of %zu",
                 element, r.argument, size_t(r.hi - r.lo) / r.item);
}

void check_element(Region& r, char* address, Access access, const void* pc) {
    const bool shared = r.argument < 0;
    Shadow& s = r.shadow[(address - r.lo) / r.item];
    char element[128];
    const Mark* other = unordered(s.write, shared) ? &s.write : nullptr;
    const char* did = "wrote";
    if (!other && access != ATOMIC && s.updates) {
        other = unordered(*s.updates, shared);
        did = "updated";
    }
    if (!other && access != READ) {
        other = unordered(s.reads, shared);
        did = "read";
    }
    if (other) {
        describe_element(r, address, element, sizeof element);
        FAIL_AT(pc, "%s %s %s, which %s %s with no barrier in between",
                who().text, VERBS[access], element,
                who(int(other->thread) - 1,
                    launch->first_block + other->block).text, did);
    }
    if (shared && access != WRITE
        && !(s.write.thread && s.write.block == block_that_runs())) {
        describe_element(r, address, element, sizeof element);
        FAIL_AT(pc, "%s %s %s, which nothing has written", who().text,
                VERBS[access], element);
    }
    if (access == WRITE) {
        s.write = now();
    } else if (access == READ) {
        s.reads.add(now());
    } else {
        if (!s.updates) {
            launch->updates.emplace_back();
            s.updates = &launch->updates.back();
        }
        s.updates->add(now());
    }
}

// --- Bounds ----------------------------------------------------------------
void check(const void* p, size_t bytes, Access access, const void* pc) {
    if (!running) return;
    char* address = static_cast<char*>(const_cast<void*>(p));
    if (address >= running->stack && address < running->stack + STACK) return;
    const Region* nearest = nullptr;
    size_t distance = SIZE_MAX;
    for (Region& r : launch->regions) {
        if (address >= r.lo && address + bytes <= r.hi) {
            if (access != READ && !r.writable)
                FAIL_AT(pc, "%s writes to argument %d, which is const",
                        who().text, r.argument);
            for (char* a = address; a < address + bytes; a += r.item)
                check_element(r, a, access, pc);
            return;
        }
        const size_t away = address < r.lo ? r.lo - address
                                           : address - r.hi;
        if (away < distance) distance = away, nearest = &r;
    }
    // Constants of the kernel's own library.
    Dl_info here, there;
    if (access == READ && dladdr(pc, &here) && dladdr(p, &there)
        && here.dli_fbase == there.dli_fbase)
        return;
    if (!p || !nearest)
        FAIL_AT(pc, "%s %s %zu bytes at address %p", who().text,
                VERBS[access], bytes, p);
    char element[128];
    describe_element(*nearest, address, element, sizeof element);
    FAIL_AT(pc, "%s %s outside of all arrays; nearest is %s", who().text,
            VERBS[access], element);
}

// --- Waiting ---------------------------------------------------------------
void complete_barrier() {
    int count = 0;
    for (int i = 0; i < launch->threads; i++) {
        if (fibers[i].line != running->line
            || strcmp(fibers[i].file, running->file)) {
            char place[512];
            snprintf(place, sizeof place, "%s:%d", running->file,
                     running->line);
            set_message(place, "%s waits at a __syncthreads, %s at the one "
                        "in line %d", who().text,
                        who(i, launch->block_number).text, fibers[i].line);
            leave();
        }
        count += fibers[i].predicate;
    }
    for (int i = 0; i < launch->threads; i++) {
        fibers[i].result = count;
        fibers[i].state = READY;
    }
    launch->waiting = 0;
    launch->barriers++;
}

// Completes the collective that `f` waits at, if all lanes have come.
bool complete_warp(Fiber* f) {
    Fiber* warp = fibers + number(f) / 32 * 32;
    const int lanes = launch->threads - int(warp - fibers) < 32
        ? launch->threads - int(warp - fibers) : 32;
    unsigned present = 0, ballot = 0;
    for (int i = 0; i < lanes; i++) {
        if (!(f->mask >> i & 1) || warp[i].state == DONE) continue;
        if (warp[i].state != AT_WARP || warp[i].mask != f->mask
            || warp[i].what != f->what)
            return false;
        present |= 1u << i;
        ballot |= unsigned(warp[i].predicate) << i;
    }
    const bool syncs = !strcmp(f->what, "__syncwarp");
    uint64_t bits[32];
    for (int i = 0; i < lanes; i++) bits[i] = warp[i].bits;
    for (int i = 0; i < lanes; i++) {
        if (!(present >> i & 1)) continue;
        // What a lane that does not take part hands out is undefined.
        const int source = warp[i].source;
        warp[i].bits = present >> source & 1 ? bits[source] : ~uint64_t(0);
        warp[i].result = int(ballot);
        warp[i].state = READY;
        warp[i].warp_barriers += syncs;
    }
    return true;
}

void wait_for_warp(unsigned mask, const char* what, const char* file,
                   int line) {
    Fiber* f = running;
    f->mask = mask, f->what = what, f->file = file, f->line = line;
    f->state = AT_WARP;
    if (!(mask >> number(f) % 32 & 1)) {
        char place[512];
        snprintf(place, sizeof place, "%s:%d", file, line);
        set_message(place, "%s is not in the mask %08x of its %s",
                    who().text, mask, what);
        leave();
    }
    if (!complete_warp(f)) yield();
}

void report_deadlock() {
    const Fiber *waits = nullptr, *elsewhere = nullptr;
    for (int i = 0; i < launch->threads && !waits; i++)
        if (fibers[i].state != DONE) waits = fibers + i;
    for (int i = 0; i < launch->threads; i++) {
        const Fiber* f = fibers + i;
        const bool asked = waits->state == AT_BARRIER
            || (i / 32 == number(waits) / 32 && waits->mask >> i % 32 & 1
                && f->state != DONE);
        if (f != waits && asked
            && (f->state != waits->state || f->what != waits->what)) {
            elsewhere = f;
            break;
        }
    }
    char place[512], other[512] = "";
    snprintf(place, sizeof place, "%s:%d", waits->file, waits->line);
    if (elsewhere && elsewhere->state == DONE)
        snprintf(other, sizeof other, "; %s has returned",
                 who(number(elsewhere), launch->block_number).text);
    else if (elsewhere)
        snprintf(other, sizeof other, "; %s waits at a %s in %s:%d",
                 who(number(elsewhere), launch->block_number).text,
                 elsewhere->what, elsewhere->file, elsewhere->line);
    set_message(place, "%s waits for ever at a %s%s",
                who(number(waits), launch->block_number).text, waits->what,
                other);
}

uint64_t next_random() {  // xorshift64*
    uint64_t& x = launch->random;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    return x * 2685821657736338717u;
}

void shuffle(std::vector<uint64_t>& order) {
    if (!launch->random) return;
    for (size_t i = order.size(); i > 1; i--)
        std::swap(order[i - 1], order[next_random() % i]);
}

void fill_shared() {
    for (Region& r : launch->regions)
        if (r.argument < 0) memset(r.lo, 0xff, r.hi - r.lo);
}

void run_block(std::vector<uint64_t>& order) {
    launch->waiting = launch->done = 0;
    launch->barriers = 0;
    fill_shared();
    for (int i = 0; i < launch->threads; i++) {
        Fiber& f = fibers[i];
        const uint3 b = launch->block;
        f.index = {i % b.x, i / b.x % b.y, i / b.x / b.y};
        f.state = READY;
        f.warp_barriers = 0;
        f.bits = 0;
        f.source = 0;
    }
    while (launch->done < launch->threads) {
        bool ran = false;
        shuffle(order);
        for (uint64_t i : order) {
            Fiber* f = fibers + i;
            if (f->state != READY) continue;
            ran = true;
            resume(f);
            if (launch->failed) return;
            // One lane less to wait for.
            if (f->state == DONE) {
                Fiber* warp = fibers + i / 32 * 32;
                for (int j = 0; j < 32; j++)
                    if (number(warp + j) < launch->threads
                        && warp[j].state == AT_WARP)
                        complete_warp(warp + j);
            }
        }
        if (!ran) {
            report_deadlock();
            return;
        }
    }
}

// Shadows of arrays that could not be in memory take none until touched.
Shadow* new_shadow(size_t n) {
    void* memory = mmap(nullptr, n * sizeof(Shadow), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) abort();
    return static_cast<Shadow*>(memory);
}

size_t items(const Region& r) { return (r.hi - r.lo) / r.item + 1; }

Region new_region(char* lo, size_t bytes, int argument, size_t item,
                  bool writable) {
    Region r = {lo, lo + bytes, argument, item, writable, nullptr};
    r.shadow = new_shadow(items(r));
    return r;
}

char* new_shared(size_t bytes, size_t align, const void* pc) {
    const size_t total = launch->shared_used + bytes;
    char* address = arena + GAP
        + (total - bytes + GAP * launch->regions.size() + align - 1)
        / align * align;
    if (total > SHARED_LIMIT)
        FAIL_AT(pc, "a block has %zu bytes of shared memory and asks for %zu",
                SHARED_LIMIT, total);
    launch->shared_used = total;
    // Four bytes are the smallest unit that threads should share.
    launch->regions.push_back(
        new_region(address, bytes, -1, bytes % 4 ? 1 : 4, true));
    memset(address, 0xff, bytes);
    return address;
}

}  // namespace

// --- Called by kernels -----------------------------------------------------
extern "C" {

uint3 simt_thread_index() { return running->index; }
uint3 simt_block_index() { return launch->block_index; }
uint3 simt_block_dim() { return launch->block; }
uint3 simt_grid_dim() { return launch->grid; }
int simt_lane() { return number(running) % 32; }

int simt_barrier(int predicate, int vote, const char* file, int line) {
    Fiber* f = running;
    f->what = "__syncthreads", f->file = file, f->line = line;
    f->predicate = predicate;
    f->state = AT_BARRIER;
    if (++launch->waiting == launch->threads) complete_barrier();
    else yield();
    return vote == 0 ? f->result : vote == 1
        ? f->result == launch->threads : f->result > 0;
}

uint64_t simt_shuffle(unsigned mask, uint64_t bits, int source,
                      const char* file, int line) {
    Fiber* f = running;
    f->bits = bits;
    f->source = source;
    f->predicate = 0;
    wait_for_warp(mask, "shuffle", file, line);
    return f->bits;
}

unsigned simt_ballot(unsigned mask, int predicate, const char* what,
                     const char* file, int line) {
    Fiber* f = running;
    f->predicate = predicate;
    f->source = number(f) % 32;
    wait_for_warp(mask, !strcmp(what, "__syncwarp") ? "__syncwarp" : "ballot",
                  file, line);
    return unsigned(f->result);
}

unsigned simt_active_mask() {
    unsigned mask = 0;
    const int first = number(running) / 32 * 32;
    for (int i = first; i < first + 32 && i < launch->threads; i++)
        if (fibers[i].state != DONE) mask |= 1u << (i - first);
    return mask;
}

void simt_fence() {
    launch->fences[launch->block_number - launch->first_block] = launch->step;
}

void* simt_shared(const void* key, size_t bytes, size_t align) {
    for (const auto& v : launch->variables)
        if (v.key == key) return v.address;
    char* address = new_shared(bytes, align, __builtin_return_address(0));
    launch->variables.push_back({key, address});
    return address;
}

void* simt_dynamic_shared() { return launch->dynamic; }

void simt_atomic_access(const void* p, size_t bytes, const void* caller) {
    check(p, bytes, ATOMIC, caller);
}

// --- What -fsanitize=thread calls ------------------------------------------
#define HERE __builtin_return_address(0)
#define ACCESS(n) \
    void __tsan_read##n(void* p) { check(p, n, READ, HERE); } \
    void __tsan_write##n(void* p) { check(p, n, WRITE, HERE); } \
    void __tsan_unaligned_read##n(void* p) { check(p, n, READ, HERE); } \
    void __tsan_unaligned_write##n(void* p) { check(p, n, WRITE, HERE); }
ACCESS(1) ACCESS(2) ACCESS(4) ACCESS(8) ACCESS(16)

static void check_range(void* p, size_t n, Access access, const void* pc) {
    const size_t step = n % 4 ? 1 : 4;
    for (size_t i = 0; i < n; i += step)
        check(static_cast<char*>(p) + i, step, access, pc);
}

void __tsan_read_range(void* p, size_t n) { check_range(p, n, READ, HERE); }
void __tsan_write_range(void* p, size_t n) { check_range(p, n, WRITE, HERE); }

void* __tsan_memcpy(void* to, const void* from, size_t n) {
    check_range(const_cast<void*>(from), n, READ, HERE);
    check_range(to, n, WRITE, HERE);
    return memcpy(to, from, n);
}

void* __tsan_memset(void* to, int value, size_t n) {
    check_range(to, n, WRITE, HERE);
    return memset(to, value, n);
}

// Called by -fsanitize=alignment: a GPU faults there.
struct Misaligned { const char* file; uint32_t line; };

void __ubsan_handle_type_mismatch_v1(const Misaligned* where, const void* p) {
    char place[512];
    snprintf(place, sizeof place, "%s:%u", where->file, where->line);
    set_message(place, "%s reads or writes at address %p, which is misaligned "
                "for its type", who().text, p);
    leave();
}

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

// --- Called by Python ------------------------------------------------------
struct SimtArray {
    void* data;
    uint64_t bytes, item;
    int32_t argument, writable;
};

// 0, or 1 and "PLACE\nWHAT" in `message`.
int simt_launch(void (*call)(void* const*), void* const* slots,
                const unsigned* grid, const unsigned* block,
                uint64_t dynamic_shared, const SimtArray* arrays, int n_arrays,
                uint64_t seed, uint64_t last_blocks, char* message,
                uint64_t message_size) {
    if (!arena) arena = static_cast<char*>(aligned_alloc(256, 1 << 20));
    Launch l;
    l.call = call;
    l.slots = slots;
    l.grid = {grid[0], grid[1], grid[2]};
    l.block = {block[0], block[1], block[2]};
    l.threads = block[0] * block[1] * block[2];
    l.message = message;
    l.message_size = message_size;
    l.random = seed;
    launch = &l;
    const uint64_t blocks = uint64_t(grid[0]) * grid[1] * grid[2];
    l.first_block = blocks > last_blocks ? blocks - last_blocks : 0;
    l.fences.resize(blocks - l.first_block);
    for (int i = 0; i < n_arrays; i++)
        l.regions.push_back(new_region(
            static_cast<char*>(arrays[i].data), arrays[i].bytes,
            arrays[i].argument, arrays[i].item, arrays[i].writable));
    if (dynamic_shared) {
        if (dynamic_shared > SHARED_LIMIT)
            set_message("", "a block has %zu bytes of shared memory and the "
                        "launch asks for %zu", SHARED_LIMIT,
                        size_t(dynamic_shared));
        else
            l.dynamic = new_shared(dynamic_shared, 256, nullptr);
    }
    std::vector<uint64_t> order(l.threads), block_order(l.fences.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    for (size_t i = 0; i < block_order.size(); i++)
        block_order[i] = l.first_block + i;
    shuffle(block_order);
    for (uint64_t b : block_order) {
        if (l.failed) break;
        l.block_number = b;
        l.block_index = {unsigned(b % grid[0]),
                         unsigned(b / grid[0] % grid[1]),
                         unsigned(b / grid[0] / grid[1])};
        run_block(order);
    }
    if (l.failed)  // fibers that have not come to their end start anew
        for (Fiber& f : fibers) f.fresh = true;
    for (Region& r : l.regions) munmap(r.shadow, items(r) * sizeof(Shadow));
    launch = nullptr;
    running = nullptr;
    return l.failed;
}

}  // extern "C"
