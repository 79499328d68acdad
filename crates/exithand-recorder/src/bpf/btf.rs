//! What the kernel's own description of its types says of tracepoints.
//!
//! Source: `Documentation/bpf/btf.rst`. Only as much is read as says how many parameters a
//! tracepoint hands over, and whether one is a pointer.

/// The kernel's types, as bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

/// One parameter of a tracepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Pointer,
    Value,
}

#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    name: u32,
    kind: u32,
    /// The type it refers to, or its size.
    refers: u32,
    extra: &'a [u8],
}

const MAGIC: u16 = 0xeb9f;
const POINTER: u32 = 2;
const FUNCTION: u32 = 13;
const TYPEDEF: u32 = 8;

impl<'a> Types<'a> {
    /// Finds the sections. `None`: these bytes are no BTF.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let magic = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
        if magic != MAGIC {
            return None;
        }
        let header = word(bytes, 4)?;
        let section = |at: usize| {
            let begin = usize::try_from(header.checked_add(word(bytes, at)?)?).ok()?;
            let len = usize::try_from(word(bytes, at + 4)?).ok()?;
            bytes.get(begin..begin.checked_add(len)?)
        };
        Some(Self {
            types: section(8)?,
            strings: section(16)?,
        })
    }

    /// The parameters of a tracepoint, without the first, which is the kernel's own. `None`: there
    /// is no such tracepoint.
    pub(super) fn tracepoint(&self, name: &str) -> Option<Vec<Parameter>> {
        let name = format!("btf_trace_{name}");
        let pointer = self
            .entries()
            .find(|it| it.kind == TYPEDEF && self.name(it.name) == Some(name.as_bytes()))?
            .refers;
        let function = self.nth(self.nth(pointer)?.refers)?;
        if function.kind != FUNCTION {
            return None;
        }
        let parameters = function.extra.chunks_exact(8).skip(1);
        parameters
            .map(|parameter| {
                let entry = self.nth(word(parameter, 4)?)?;
                Some(if entry.kind == POINTER {
                    Parameter::Pointer
                } else {
                    Parameter::Value
                })
            })
            .collect()
    }

    fn entries(&self) -> Entries<'a> {
        Entries { rest: self.types }
    }

    /// Types are numbered from 1.
    fn nth(&self, number: u32) -> Option<Entry<'a>> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.entries().nth(index)
    }

    fn name(&self, at: u32) -> Option<&'a [u8]> {
        self.strings
            .get(usize::try_from(at).ok()?..)?
            .split(|byte| *byte == 0)
            .next()
    }
}

struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let info = word(self.rest, 4)?;
        let (kind, count) = (info >> 24 & 0x1f, usize::try_from(info & 0xffff).ok()?);
        let extra_bytes = match kind {
            // Integer, variable, declaration tag.
            1 | 14 | 17 => 4,
            // Array.
            3 => 12,
            // Structure, union, data section, 64-bit enumeration.
            4 | 5 | 15 | 19 => 12 * count,
            // Enumeration, function prototype.
            6 | FUNCTION => 8 * count,
            _ => 0,
        };
        let entry = Entry {
            name: word(self.rest, 0)?,
            kind,
            refers: word(self.rest, 8)?,
            extra: self.rest.get(12..12 + extra_bytes)?,
        };
        self.rest = self.rest.get(12 + extra_bytes..)?;
        Some(entry)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `typedef void (*btf_trace_end)(void *, struct *, int)`.
    fn sample() -> Vec<u8> {
        let strings = b"\0btf_trace_end\0";
        let function_at = 4_u32;
        let types: Vec<u32> = [
            // 1: an integer, with its extra word.
            vec![0, 1 << 24, 4, 32],
            // 2: a pointer to nothing.
            vec![0, 2 << 24, 0],
            // 3: the typedef of 5.
            vec![1, 8 << 24, 5],
            // 4: the function, of three parameters.
            vec![0, 13 << 24 | 3, 0, 0, 2, 0, 2, 0, 1],
            // 5: a pointer to it.
            vec![0, 2 << 24, function_at],
        ]
        .concat();
        let types_bytes = u32::try_from(types.len() * 4).unwrap();
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        let strings_bytes = u32::try_from(strings.len()).unwrap();
        for word in [24, 0, types_bytes, types_bytes, strings_bytes] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(types.into_iter().flat_map(u32::to_ne_bytes));
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn tells_the_parameters_of_a_tracepoint() {
        let bytes = sample();
        let types = Types::new(&bytes).unwrap();
        let expected = [Parameter::Pointer, Parameter::Value];
        assert_eq!(types.tracepoint("end").unwrap(), expected);
        assert_eq!(types.tracepoint("begin"), None);
    }

    #[test]
    fn cut_bytes_are_no_tracepoint_and_no_panic() {
        let bytes = sample();
        for len in 0..bytes.len() - 1 {
            let told = Types::new(&bytes[..len]).and_then(|types| types.tracepoint("end"));
            assert_eq!(told, None, "cut to {len}");
        }
    }

    #[test]
    fn reads_the_running_kernel() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            return;
        };
        let types = Types::new(&bytes).unwrap();
        let exit = types.tracepoint("sched_process_exit").unwrap();
        assert_eq!(exit[0], Parameter::Pointer);
        assert!(exit.len() <= 2, "{exit:?}");
        assert_eq!(types.tracepoint("no_such_point"), None);
    }
}
