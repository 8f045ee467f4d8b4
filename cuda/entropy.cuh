// log(p + eps); exact for eps = 0, however small p is.
__device__ T log_plus(T p, T log_p, T eps) {
    return eps > 0 ? log(p + eps) : log_p;
}

// d/dp of p log(p + eps), less log(p + eps).
__device__ T slope_of_log(T p, T eps) {
    return eps > 0 ? p / (p + eps) : T(1);
}
