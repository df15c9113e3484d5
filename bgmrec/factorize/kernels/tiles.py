"""Vector instructions for square tiles of a matrix; the normal equations spend most of their time here.

A symmetric (n, n) matrix, n a multiple of LANES, is stored by rows, of which only the part from the diagonal on is
used: row p holds A[p, p:]. After the factorization A = L Lᵀ, row p holds column p of L. Summing ratings, updating and
solving therefore all read along rows.

At these sizes OpenBLAS spends its time on packing (measured at 64 × 64 on one Zen 4 core: spotrf 14 µs, these tiles
2 µs; sums over 64 rows at 80 GFLOP/s where sgemm reaches 94). Offsets and bounds are those of vectors.py.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bgmrec.factorize.kernels.vectors import (
    LANES,
    ZERO,
    constant,
    extract,
    fma,
    instruction,
    load,
    pointer,
    splat,
    splat_lane,
    store,
)

WEIGHT_RHS = 2  # columns of Workspace.weight_rhs: weight and right-hand side
WEIGHT_RHS_STEP = 4  # rows per step: enough independent sums to hide the latency of an FMA


def _products(builder: Any, args: Any, a: Any, b: Any, columns: int, step: int) -> list[Any]:
    """The vectors Σ_p a[p, lanes] · b[p, column] for p < depth, rounded up to a multiple of `step`."""
    sums = [[cgutils.alloca_once_value(builder, ZERO) for _ in range(columns)] for _ in range(step)]
    rounds = builder.sdiv(builder.add(args[9], constant(step - 1)), constant(step))
    with cgutils.for_range(builder, rounds) as loop:
        first = builder.mul(loop.index, constant(step))
        for turn, row in enumerate(sums):
            p = builder.add(first, constant(turn))
            vector = load(builder, builder.gep(a, [builder.mul(p, args[5])]))
            scalars = builder.gep(b, [builder.mul(p, args[8])])
            for column, address in enumerate(row):
                scalar = builder.load(builder.gep(scalars, [constant(column)]))
                builder.store(fma(builder, vector, splat(builder, scalar), builder.load(address)), address)
    totals = [builder.load(address) for address in sums[0]]
    for row in sums[1:]:
        totals = [builder.fadd(sum_, builder.load(address)) for sum_, address in zip(totals, row, strict=True)]
    return totals


def _multiply(columns: int, step: int) -> Any:
    def multiply(
        typing: Any,
        out: Any,
        out_at: Any,
        out_stride: Any,
        a: Any,
        a_at: Any,
        a_stride: Any,
        b: Any,
        b_at: Any,
        b_stride: Any,
        depth: Any,
        sign: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            to, left, rhs = (pointer(context, builder, signature, args, position) for position in (0, 3, 6))
            factor = splat(builder, args[10])
            for column, sum_ in enumerate(_products(builder, args, left, rhs, columns, step)):
                address = builder.gep(to, [builder.mul(constant(column), args[2])])
                store(builder, fma(builder, sum_, factor, load(builder, address)), address)
            return context.get_dummy_value()

        at = types.int64
        return types.void(out, at, at, a, at, at, b, at, at, at, types.float32), emit

    return instruction(multiply)


# out[j, i] += sign · Σ_p a[p, i] · b[p, j] for i, j < LANES: one tile of a sum of outer products
multiply_tile = _multiply(LANES, 1)
# the same for j < WEIGHT_RHS; reads rows up to the next multiple of WEIGHT_RHS_STEP: there a must be finite and b 0
multiply_weight_rhs = _multiply(WEIGHT_RHS, WEIGHT_RHS_STEP)


@instruction
def factor_tile(typing: Any, matrix: Any, at: Any, stride: Any, inverse: Any, inverse_at: Any) -> Any:
    """Cholesky factorization A = L Lᵀ of one diagonal tile in registers; row p becomes column p of L.

    Lanes before the diagonal become exact zeros, so that later steps can use whole vectors. Writes 1 / L[p, p] to
    `inverse`; returns whether every pivot was positive (NaN counts as not positive).
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, inverses = pointer(context, builder, signature, args, 0), pointer(context, builder, signature, args, 3)
        addresses = [builder.gep(tile, [builder.mul(constant(p), args[2])]) for p in range(LANES)]
        rows = [load(builder, address) for address in addresses]
        sqrt = builder.module.declare_intrinsic("llvm.sqrt", [ir.FloatType()])
        positive = ir.Constant(ir.IntType(1), 1)
        for p in range(LANES):
            pivot = extract(builder, rows[p], p)
            positive = builder.and_(positive, builder.fcmp_ordered(">", pivot, ir.Constant(ir.FloatType(), 0.0)))
            inverse_p = builder.fdiv(ir.Constant(ir.FloatType(), 1.0), builder.call(sqrt, [pivot]))
            builder.store(inverse_p, builder.gep(inverses, [constant(p)]))
            rows[p] = builder.fmul(rows[p], splat(builder, inverse_p))
            negative = builder.fsub(ZERO, rows[p])
            for q in range(p + 1, LANES):
                rows[q] = fma(builder, splat_lane(builder, negative, q), rows[p], rows[q])
            before = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [int(lane < p) for lane in range(LANES)])
            store(builder, builder.select(before, ZERO, rows[p]), addresses[p])
        return positive

    return types.boolean(matrix, types.int64, types.int64, inverse, types.int64), emit


@instruction
def solve_tile(typing: Any, matrix: Any, at: Any, factor_at: Any, stride: Any, inverse: Any, inverse_at: Any) -> Any:
    """Turns a tile beside a factored diagonal tile into its part of L.

    Row q loses Σ_{p<q} L[q, p] · row p and is then multiplied with 1 / L[q, q].
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = pointer(context, builder, signature, args, 0)
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        factor = builder.gep(array.data, [args[2]])
        inverses = pointer(context, builder, signature, args, 4)
        addresses = [builder.gep(tile, [builder.mul(constant(p), args[3])]) for p in range(LANES)]
        rows = [load(builder, address) for address in addresses]
        for p in range(LANES):
            inverse_p = builder.load(builder.gep(inverses, [constant(p)]))
            rows[p] = builder.fmul(rows[p], splat(builder, inverse_p))
            negative = builder.fsub(ZERO, rows[p])
            column = builder.gep(factor, [builder.mul(constant(p), args[3])])
            for q in range(p + 1, LANES):
                scalar = builder.load(builder.gep(column, [constant(q)]))
                rows[q] = fma(builder, splat(builder, scalar), negative, rows[q])
            store(builder, rows[p], addresses[p])
        return context.get_dummy_value()

    at_ = types.int64
    return types.void(matrix, at_, at_, at_, inverse, at_), emit
