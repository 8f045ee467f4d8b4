// A bit's probabilities, and KL[p || q] of a bit from the logits y0 of p and y1
// of q, with its gradient.  A bit's value 0 has the negative of the logit of
// its value 1.

struct Bit {
    T one, zero;  // their probabilities
    // Of either sign the exponential stays below 1.
    __device__ explicit Bit(T y) {
        const T e = exp(-fabs(y)), larger = 1 / (1 + e), smaller = e * larger;
        one = y < 0 ? smaller : larger;
        zero = y < 0 ? larger : smaller;
    }
};

// log p of the value with logit y
__device__ T log_sigmoid(T y) {
    return (y < 0 ? y : T(0)) - log1p(exp(-fabs(y)));
}

// log (p + eps) / (q + eps), where y0 and y1 are the logits of p and q
__device__ T log_bit_ratio(T p, T q, T y0, T y1, T eps) {
    return eps > 0 ? log((p + eps) / (q + eps))
                   : log_sigmoid(y0) - log_sigmoid(y1);
}

__device__ T bit_kl(T y0, T y1, T eps) {
    const Bit p(y0), q(y1);
    return p.one * log_bit_ratio(p.one, q.one, y0, y1, eps)
        + p.zero * log_bit_ratio(p.zero, q.zero, -y0, -y1, eps);
}

// d/dy0
__device__ T bit_kl_grad0(T y0, T y1, T eps) {
    const Bit p(y0), q(y1);
    T slope = log_bit_ratio(p.one, q.one, y0, y1, eps)
        - log_bit_ratio(p.zero, q.zero, -y0, -y1, eps);
    if (eps > 0)
        slope += p.one / (p.one + eps) - p.zero / (p.zero + eps);
    return p.one * p.zero * slope;
}

// d/dy1
__device__ T bit_kl_grad1(T y0, T y1, T eps) {
    const Bit p(y0), q(y1);
    if (eps > 0)
        return q.one * q.zero
            * (p.zero / (q.zero + eps) - p.one / (q.one + eps));
    return q.one - p.one;
}
