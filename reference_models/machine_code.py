"""Functions that are written for one shape of arrays, and compiled for this processor's vectors when they are needed.

A function is described with a :class:`Code`, in the terms of the compiler LLVM: loads, stores, multiply-adds and loops,
with every distance in memory a constant. A compiled function takes addresses of arrays and counts, runs in the thread
that calls it, releases the interpreter lock, and sums in the order in which it is written.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

Value: TypeAlias = Any
"""What an instruction gives: a number, a vector of numbers, or an address."""

Body: TypeAlias = Callable[..., "Sequence[Value] | None"]

FLOAT_BYTES = 4
WHOLE_VECTORS = 'nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512"'
"""Without this LLVM halves the vectors of some processors that have long ones."""


class NoCompilerError(ValueError):
    """llvmlite is not installed here, or knows no such processor."""


@dataclass(frozen=True)
class Vectors:
    """A processor's vector registers.

    Attributes:
        width: float32 numbers in one.
        registers: how many there are.
    """

    width: int
    registers: int

    def width_for(self, n: int) -> int:
        """The largest width that divides ``n``, a power of two."""
        width = self.width
        while n % width:
            width //= 2
        return width


class CompiledFunction:
    """A function of addresses and whole numbers.

    Attributes:
        call: takes them as int; nothing checks them.
    """

    call: Callable[..., None]

    def __init__(self, engine: Any, n_arguments: int) -> None:
        self._engine = engine  # it owns the code
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * n_arguments)
        self.call = kind(engine.get_function_address("run"))


@functools.lru_cache(maxsize=1)
def _compiler() -> tuple[Any, Any]:
    """llvmlite's ``ir`` and ``binding``, ready for this processor; NoCompilerError."""
    try:
        ir, binding = importlib.import_module("llvmlite.ir"), importlib.import_module("llvmlite.binding")
        with contextlib.suppress(RuntimeError):  # newer versions do this themselves, and say so
            binding.initialize()
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
    except (ImportError, OSError, RuntimeError) as error:
        raise NoCompilerError(f"no machine code can be made here: {error}") from error
    return ir, binding


@functools.lru_cache(maxsize=1)
def host_vectors() -> Vectors:
    """This processor's vectors; NoCompilerError."""
    _, binding = _compiler()
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return Vectors(16, 32)
    if features.get("avx"):
        return Vectors(8, 16)
    return Vectors(4, 32 if binding.get_process_triple().startswith(("aarch64", "arm64")) else 16)


def address(tensor: Tensor) -> int:
    """Where a contiguous tensor in memory begins; ValueError for any other."""
    if not tensor.is_contiguous() or tensor.device.type != "cpu":
        raise ValueError("machine code takes contiguous tensors in memory")
    return tensor.data_ptr()


class Code:
    """One function without a result; arguments are ``n_arrays`` addresses, then ``n_counts`` whole numbers.

    Attributes:
        arrays: the addresses; what is written through one is not read through another.
        counts: the whole numbers.
        n_arguments: how many they are together.
    """

    def __init__(self, n_arrays: int, n_counts: int) -> None:
        self._ir, self._binding = _compiler()
        self._float, self._whole = self._ir.FloatType(), self._ir.IntType(64)
        self._module = self._ir.Module()
        self._module.triple = self._binding.get_process_triple()
        arguments = [self._float.as_pointer()] * n_arrays + [self._whole] * n_counts
        function = self._ir.Function(self._module, self._ir.FunctionType(self._ir.VoidType(), arguments), "run")
        self.n_arguments = len(arguments)
        for argument in function.args[:n_arrays]:
            argument.add_attribute("noalias")
        self.arrays, self.counts = function.args[:n_arrays], function.args[n_arrays:]
        self.build = self._ir.IRBuilder(function.append_basic_block())

    def number(self, n: int) -> Value:
        """A whole number."""
        return self._ir.Constant(self._whole, n)

    def times(self, a: Value, n: int | Value) -> Value:
        """A product of whole numbers."""
        return self.build.mul(a, self.number(n) if isinstance(n, int) else n)

    def plus(self, a: Value, n: int | Value) -> Value:
        """A sum of whole numbers."""
        if isinstance(n, int):
            return self.build.add(a, self.number(n)) if n else a
        return self.build.add(a, n)

    def minus(self, a: Value, b: Value) -> Value:
        """A difference of whole numbers."""
        return self.build.sub(a, b)

    def quotient(self, a: Value, n: int) -> Value:
        """A quotient of whole numbers, rounded towards 0."""
        return self.build.sdiv(a, self.number(n))

    def place(self, first: int, step: int, turn: Value) -> Value:
        """first + step * turn."""
        return self.plus(self.times(turn, step), first)

    def at(self, base: Value, *distances: int | Value) -> Value:
        """The address so many float32 numbers behind ``base``."""
        for distance in distances:
            if isinstance(distance, int):
                if distance:
                    base = self.build.gep(base, [self.number(distance)])
            else:
                base = self.build.gep(base, [distance])
        return base

    def _type(self, width: int) -> Any:
        return self._float if width == 1 else self._ir.VectorType(self._float, width)

    def load(self, place: Value, width: int = 1) -> Value:
        """``width`` neighbouring numbers."""
        return self.build.load(self.build.bitcast(place, self._type(width).as_pointer()), align=FLOAT_BYTES)

    def load_bytes(self, base: Value, n: Value, width: int) -> Value:
        """``width`` neighbouring bytes, n bytes behind ``base``, as float32."""
        small = self._ir.IntType(8)
        place = self.build.gep(self.build.bitcast(base, small.as_pointer()), [n])
        kind = small if width == 1 else self._ir.VectorType(small, width)
        values = self.build.load(self.build.bitcast(place, kind.as_pointer()), align=1)
        return self.build.uitofp(values, self._type(width))

    def load_whole(self, base: Value, n: Value) -> Value:
        """Number n of an array of int64."""
        return self.build.load(self.build.gep(self.build.bitcast(base, self._whole.as_pointer()), [n]))

    def store(self, value: Value, place: Value) -> None:
        """Write one number, or neighbouring ones."""
        self.build.store(value, self.build.bitcast(place, value.type.as_pointer()), align=FLOAT_BYTES)

    def constant(self, number: float, width: int) -> Value:
        """The same number in every place of a vector."""
        kind = self._type(width)
        return self._ir.Constant(kind, float(number) if width == 1 else [float(number)] * width)

    def zero(self, width: int) -> Value:
        """0 in every place of a vector."""
        return self._ir.Constant(self._type(width), None if width > 1 else 0.0)

    def spread(self, number: Value, width: int) -> Value:
        """One number in every place of a vector."""
        if width == 1:
            return number
        kind, small = self._type(width), self._ir.IntType(32)
        undefined = self._ir.Constant(kind, self._ir.Undefined)
        first = self.build.insert_element(undefined, number, self._ir.Constant(small, 0))
        every = self._ir.Constant(self._ir.VectorType(small, width), None)
        return self.build.shuffle_vector(first, undefined, every)

    def total(self, vector: Value, width: int) -> Value:
        """The sum of a vector's numbers: of its halves, again and again."""
        small = self._ir.IntType(32)
        while width > 1:
            width //= 2
            kind = self._ir.VectorType(small, width)
            halves = (self._ir.Constant(kind, [*range(begin, begin + width)]) for begin in (0, width))
            undefined = self._ir.Constant(vector.type, self._ir.Undefined)
            low, high = (self.build.shuffle_vector(vector, undefined, half) for half in halves)
            vector = self.build.fadd(low, high)
        return self.build.extract_element(vector, self._ir.Constant(small, 0))

    def float_of(self, whole: Value, width: int) -> Value:
        """A whole number as float32 in every place of a vector."""
        return self.spread(self.build.sitofp(whole, self._float), width)

    def _intrinsic(self, name: str, *values: Value) -> Value:
        kind = values[0].type
        suffix = "f32" if kind == self._float else f"v{kind.count}f32"
        name = f"llvm.{name}.{suffix}"
        function = self._module.globals.get(name)
        if function is None:
            function = self._ir.Function(self._module, self._ir.FunctionType(kind, [kind] * len(values)), name)
        return self.build.call(function, values)

    def sum(self, a: Value, b: Value) -> Value:
        """a + b."""
        return self.build.fadd(a, b)

    def difference(self, a: Value, b: Value) -> Value:
        """a - b."""
        return self.build.fsub(a, b)

    def product(self, a: Value, b: Value) -> Value:
        """a * b."""
        return self.build.fmul(a, b)

    def ratio(self, a: Value, b: Value) -> Value:
        """a / b."""
        return self.build.fdiv(a, b)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """a * b + c, rounded once where the processor can."""
        return self._intrinsic("fmuladd", a, b, c)

    def root(self, a: Value) -> Value:
        """The square root."""
        return self._intrinsic("sqrt", a)

    def where_positive(self, sign: Value, value: Value) -> Value:
        """``value`` where ``sign`` is above 0 or no number, else 0."""
        zero = self.zero(1 if sign.type == self._float else sign.type.count)
        return self.build.select(self.build.fcmp_unordered(">", sign, zero), value, zero)

    def smaller(self, a: Value, b: Value) -> Value:
        """The smaller one of two whole numbers."""
        return self.build.select(self.build.icmp_signed("<", a, b), a, b)

    def loop(self, n: int | Value, body: Body, carried: Iterable[Value] = ()) -> list[Value]:
        """``body(round, *carried)`` for n rounds; what it returns is carried to the next, and from the last one returned."""
        begun = list(carried)
        if isinstance(n, int) and n <= 1:
            return list(body(self.number(0), *begun) or ()) if n == 1 else begun
        build, certain = self.build, isinstance(n, int)
        rounds = self.number(n) if isinstance(n, int) else n
        before, head, after = build.block, build.append_basic_block(), build.append_basic_block()
        if certain:
            build.branch(head)
        else:
            build.cbranch(build.icmp_signed(">", rounds, self.number(0)), head, after)
        build.position_at_end(head)
        done = self._merged(self._whole, (self.number(0), before))
        values = [self._merged(value.type, (value, before)) for value in begun]
        ended = list(body(done, *values) or ())
        following, end = build.add(done, self.number(1)), build.block
        for merged, value in zip([done, *values], [following, *ended], strict=True):
            merged.add_incoming(value, end)
        build.cbranch(build.icmp_signed("<", following, rounds), head, after)
        build.position_at_end(after)
        if certain:
            return ended
        return [self._merged(b.type, (b, before), (e, end)) for b, e in zip(begun, ended, strict=True)]

    def each(self, n: int | Value) -> Callable[[Callable[[Value], None]], None]:
        """Decorates what is to be done in each of n rounds."""

        def written(body: Callable[[Value], None]) -> None:
            self.loop(n, body)

        return written

    def over_row(self, n: int, width: int, body: Callable[[int | Value, int], None]) -> None:
        """``body(place, length)`` for vectors of at most ``width`` that cover n numbers."""
        self.loop(n // width, lambda i: body(self.times(i, width), width))
        place = n - n % width
        while place < n:
            while width > n - place:
                width //= 2
            body(place, width)
            place += width

    def _merged(self, kind: Any, *sources: tuple[Value, Any]) -> Value:
        merged = self.build.phi(kind)
        for value, block in sources:
            merged.add_incoming(value, block)
        return merged

    def compiled(self) -> bytes:
        """Object code for this processor; nothing may be added any more."""
        self.build.ret_void()
        text = re.sub(r"^(define void .*\))$", r"\1 #0", str(self._module), flags=re.MULTILINE)
        module = self._binding.parse_assembly(f"{text}\nattributes #0 = {{ {WHOLE_VECTORS} }}\n")
        code: bytes = _machine(self._binding).emit_object(module)
        return code


def _machine(binding: Any) -> Any:
    """This processor, as the compiler sees it."""
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3, jit=True
    )


@functools.lru_cache(maxsize=1)
def compiler_identity() -> str:
    """What object code depends on besides its source: compiler and processor."""
    _, binding = _compiler()
    version = importlib.import_module("llvmlite").__version__
    features = binding.get_host_cpu_features().flatten()
    return f"{version} {binding.get_process_triple()} {binding.get_host_cpu_name()} {features}"


def load_code(n_arguments: int, code: bytes) -> CompiledFunction:
    """The function of :meth:`Code.compiled`."""
    _, binding = _compiler()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine(binding))
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return CompiledFunction(engine, n_arguments)
