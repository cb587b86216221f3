//! Compiles a function for several instruction sets and picks the widest that the machine has, at run time.
//!
//! What it calls must be `#[inline(always)]`, and may not call the instruction set in a closure, or it is not compiled along.
//! Wider vectors change no result: sums have a fixed order, and rustc fuses no multiplication with an addition.

/// `fn name(isa; …)`: the body sees the [`Isa`](super::isa::Isa) it is compiled for as `isa`.
macro_rules! widest {
    (
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident($isa:ident; $($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$meta])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body<I: $crate::cpu::isa::Isa>($isa: I, $($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::cpu::isa::{Avx2, Avx512};

                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
                fn avx512(isa: Avx512, $($argument: $type),*) $(-> $result)? {
                    body(isa, $($argument),*)
                }
                #[target_feature(enable = "avx2,f16c")]
                fn avx2(isa: Avx2, $($argument: $type),*) $(-> $result)? {
                    body(isa, $($argument),*)
                }
                if let Some(isa) = Avx512::find() {
                    // SAFETY: the processor has them.
                    return unsafe { avx512(isa, $($argument),*) };
                }
                if let Some(isa) = Avx2::find() {
                    // SAFETY: the processor has it.
                    return unsafe { avx2(isa, $($argument),*) };
                }
            }
            body($crate::cpu::isa::Portable, $($argument),*)
        }
    };
}
pub(super) use widest;
