// KL[p || q] of a bit from the logits y0 of p and y1 of q, and its gradient.
// A bit's value 0 has the negative of the logit of its value 1.

__device__ T sigmoid(T y) {
    // Of either sign the exponential stays below 1.
    const T e = exp(-fabs(y));
    return (y < 0 ? e : T(1)) / (1 + e);
}

__device__ T log_sigmoid(T y) {
    return (y < 0 ? y : T(0)) - log1p(exp(-fabs(y)));
}

// log (p + eps) / (q + eps)
__device__ T log_bit_ratio(T y0, T y1, T eps) {
    return eps > 0 ? log((sigmoid(y0) + eps) / (sigmoid(y1) + eps))
                   : log_sigmoid(y0) - log_sigmoid(y1);
}

__device__ T bit_kl(T y0, T y1, T eps) {
    return sigmoid(y0) * log_bit_ratio(y0, y1, eps)
        + sigmoid(-y0) * log_bit_ratio(-y0, -y1, eps);
}

// d/dy0
__device__ T bit_kl_grad0(T y0, T y1, T eps) {
    const T p = sigmoid(y0), p0 = sigmoid(-y0);
    T slope = log_bit_ratio(y0, y1, eps) - log_bit_ratio(-y0, -y1, eps);
    if (eps > 0)
        slope += p / (p + eps) - p0 / (p0 + eps);
    return p * p0 * slope;
}

// d/dy1
__device__ T bit_kl_grad1(T y0, T y1, T eps) {
    const T p = sigmoid(y0), q = sigmoid(y1);
    const T p0 = sigmoid(-y0), q0 = sigmoid(-y1);
    if (eps > 0)
        return q * q0 * (p0 / (q0 + eps) - p / (q + eps));
    return q - p;
}
