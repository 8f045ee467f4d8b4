// Images under affine maps, read by bilinear interpolation, and the gradient.
// x, shape (n, height, width); matrix, (n, 2, 3): the pixel at p of y is read
// at A (p - c) + b + c of x, c the centre, or from the nearest edge.
//
// A block takes images, or a part of each where there are few (launch.images),
// with the image's matrix in registers.  Its threads take neighbouring pixels
// of what they write, so that writes are coalesced, and reads nearly so.
//
// The gradient of a pixel of x comes from all pixels of y that were read
// beside it.  Rather than scatter gy, in an order that changes, each thread
// looks for those that read its pixel: where A can be inverted, they are
// within a parallelogram, the image under the inverse of what is less than a
// pixel away, and beyond the edge as far as y reads at all.  All pixels of its
// bounding box are asked where they have read, by the same arithmetic as in
// the forward pass, and are added up in order.

// A pixel on its way through an image, a block's threads at a time.
struct Walk {
    long long row, column, width, rows_per_step, columns_per_step;

    __device__ Walk(long long width)
        : width(width) {
        const long long first = blockIdx.y * (long long)blockDim.x
            + threadIdx.x;
        const long long step = gridDim.y * (long long)blockDim.x;
        row = first / width;
        column = first % width;
        rows_per_step = step / width;
        columns_per_step = step % width;
    }

    __device__ void next() {
        row += rows_per_step;
        column += columns_per_step;
        if (column >= width) {
            column -= width;
            row++;
        }
    }
};

// Where one axis of x is read, in double as the matrix is.
struct Axis {
    double by_row, by_column, at_center, center_row, center_column;
    long long size;

    __device__ Axis(const double* matrix, int axis, long long height,
                    long long width)
        : by_row(matrix[3 * axis]), by_column(matrix[3 * axis + 1]),
          center_row((height - 1) * .5), center_column((width - 1) * .5),
          size(axis ? width : height) {
        at_center = matrix[3 * axis + 2] + (size - 1) * .5;
    }

    __device__ double position(long long row, long long column) const {
        const double p = by_row * (row - center_row)
            + by_column * (column - center_column) + at_center;
        // Of NaN this makes 0, too.
        return p > 0 ? (p < size - 1 ? p : double(size - 1)) : 0.;
    }

    // The middle and half of the width of the interval of positions, less
    // at_center, from which a pixel is read.
    __device__ void reach(long long pixel, double& middle, double& half)
            const {
        // As far as the positions of all pixels go, either way.
        const double all = fabs(by_row) * center_row
            + fabs(by_column) * center_column;
        double low = -all, high = all;
        if (pixel > 0)
            low = fmax(low, pixel - 1 - at_center);
        if (pixel < size - 1)
            high = fmin(high, pixel + 1 - at_center);
        middle = (low + high) / 2;
        half = (high - low) / 2;
    }
};

// The share that a pixel has in what is read at a position; 0 or less: none.
__device__ T share(double position, long long pixel) {
    const double distance = position - pixel;
    return distance < 0 ? T(1 + distance) : 1 - T(distance);
}

extern "C" __global__ void affine_transform_forward(
        const T* x, const double* matrix, long long n, long long height,
        long long width, T* y) {
    const Walk start(width);
    for (long long i = blockIdx.x; i < n; i += gridDim.x) {
        const T* image = x + i * height * width;
        const Axis rows(matrix + 6 * i, 0, height, width);
        const Axis columns(matrix + 6 * i, 1, height, width);
        for (Walk at = start; at.row < height; at.next()) {
            const double row = rows.position(at.row, at.column);
            const double column = columns.position(at.row, at.column);
            const long long r = (long long)row, c = (long long)column;
            const T down = T(row - r), right = T(column - c);
            const T* corner = image + r * width + c;
            // At the last row and column there is nothing beyond to read.
            const long long below = r + 1 < height ? width : 0;
            const int beside = c + 1 < width ? 1 : 0;
            y[(i * height + at.row) * width + at.column]
                = (1 - down) * ((1 - right) * corner[0]
                                + right * corner[beside])
                + down * ((1 - right) * corner[below]
                          + right * corner[below + beside]);
        }
    }
}

// The rows or columns that are at most `half` from the middle.
struct Range {
    long long first, last;

    __device__ Range(double middle, double half, long long size)
        : first((long long)fmax(0., ceil(middle - half))),
          last((long long)fmin(size - 1., floor(middle + half))) {}
};

extern "C" __global__ void affine_transform_backward(
        const T* gy, const double* matrix, long long n, long long height,
        long long width, T* gx) {
    const Walk start(width);
    for (long long i = blockIdx.x; i < n; i += gridDim.x) {
        const T* image = gy + i * height * width;
        const Axis rows(matrix + 6 * i, 0, height, width);
        const Axis columns(matrix + 6 * i, 1, height, width);
        const double product = rows.by_row * columns.by_column;
        const double other = rows.by_column * columns.by_row;
        const double determinant = product - other;
        // If in doubt every pixel is asked.
        const bool invertible
            = fabs(determinant) > 1e-6 * (fabs(product) + fabs(other));
        const double inverse = invertible ? 1 / determinant : 0.;
        const double a = columns.by_column * inverse;
        const double b = -rows.by_column * inverse;
        const double c = -columns.by_row * inverse;
        const double d = rows.by_row * inverse;
        // For rounding errors a thousandth of a pixel is plenty.
        const double margin = invertible ? .001 : double(height + width);
        for (Walk at = start; at.row < height; at.next()) {
            double row, row_half, column, column_half;
            rows.reach(at.row, row, row_half);
            columns.reach(at.column, column, column_half);
            double sum = 0;
            // (Negative: no position comes that far.)
            if (row_half >= 0 && column_half >= 0) {
                const Range down(
                    rows.center_row + a * row + b * column,
                    fabs(a) * row_half + fabs(b) * column_half + margin,
                    height);
                const Range right(
                    rows.center_column + c * row + d * column,
                    fabs(c) * row_half + fabs(d) * column_half + margin,
                    width);
                for (long long r = down.first; r <= down.last; r++)
                    for (long long s = right.first; s <= right.last; s++) {
                        const T vertical
                            = share(rows.position(r, s), at.row);
                        const T horizontal
                            = share(columns.position(r, s), at.column);
                        if (vertical > 0 && horizontal > 0)
                            sum += vertical * horizontal
                                * image[r * width + s];
                    }
            }
            gx[(i * height + at.row) * width + at.column] = T(sum);
        }
    }
}
