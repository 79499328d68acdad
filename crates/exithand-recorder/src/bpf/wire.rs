//! The bytes that the probes hand over, as values. `bpf/record.h` has the layout.
//!
//! Every field is copied out by a checked read; what is cut or of an unknown kind is no record.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// One record of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Exit(Box<Exit<'a>>),
    Cgroup(Cgroup),
}

/// A cgroup seen for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cgroup {
    pub(super) id: u64,
    /// `None`: longer than the probe takes.
    pub(super) path: Option<OsString>,
}

/// A process that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit<'a> {
    /// 0 where the kernel has no pidfs.
    pub(super) ino: u64,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) utime_ns: u64,
    pub(super) stime_ns: u64,
    pub(super) runtime_ns: u64,
    pub(super) maxrss_pages: u64,
    pub(super) read_bytes: u64,
    pub(super) write_bytes: u64,
    pub(super) nvcsw: u64,
    pub(super) nivcsw: u64,
    pub(super) cgroup: u64,
    pub(super) tgid: u32,
    pub(super) ppid: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) status: i32,
    pub(super) namespace_init: bool,
    pub(super) comm: OsString,
    pub(super) parent_comm: OsString,
    /// What it executed, if known.
    pub(super) image: Option<Image<'a>>,
    pub(super) killer: Option<Killer>,
    pub(super) oom: Option<Oom>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image<'a> {
    pub(super) exe: Option<OsString>,
    /// Each word ended by a zero byte.
    pub(super) argv: &'a [u8],
    pub(super) argv_cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Killer {
    pub(super) cgroup: u64,
    pub(super) pid: u32,
    pub(super) uid: u32,
    pub(super) code: i32,
    pub(super) signal: u16,
    pub(super) comm: OsString,
    pub(super) exe: Option<OsString>,
    pub(super) links: Vec<(u32, OsString)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Oom {
    pub(super) is_memcg: bool,
    pub(super) limit: Option<OsString>,
}

const KIND_EXIT: u16 = 1;
const KIND_CGROUP: u16 = 2;

const FLAG_NAMESPACE_INIT: u16 = 1 << 0;
const FLAG_ARGV_CUT: u16 = 1 << 1;
const FLAG_EXE_CUT: u16 = 1 << 2;
const FLAG_IMAGE: u16 = 1 << 3;
const FLAG_KILLER: u16 = 1 << 4;
const FLAG_KILLER_EXE_CUT: u16 = 1 << 5;
const FLAG_OOM: u16 = 1 << 6;
const FLAG_OOM_MEMCG: u16 = 1 << 7;
const FLAG_OOM_CUT: u16 = 1 << 8;

const COMM_BYTES: usize = 16;

/// Reads one record. `None`: cut, or of a kind that is not ours.
pub(super) fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let mut reader = Reader(bytes);
    let (kind, flags) = (reader.u16()?, reader.u16()?);
    let len = usize::try_from(reader.u32()?).ok()?;
    reader = Reader(bytes.get(8..len)?);
    match kind {
        KIND_EXIT => Some(Record::Exit(Box::new(exit(reader, flags)?))),
        KIND_CGROUP => Some(Record::Cgroup(cgroup(reader)?)),
        _ => None,
    }
}

fn cgroup(mut reader: Reader<'_>) -> Option<Cgroup> {
    let (id, is_cut) = (reader.u64()?, reader.u16()? != 0);
    let len = reader.u16()?;
    reader.u32()?;
    let names = reader.bytes(len)?;
    Some(Cgroup {
        id,
        path: (!is_cut).then(|| path(names)),
    })
}

fn exit(mut reader: Reader<'_>, flags: u16) -> Option<Exit<'_>> {
    let has = |flag: u16| flags & flag != 0;
    let mut exit = Exit {
        ino: reader.u64()?,
        start_ns: reader.u64()?,
        end_ns: reader.u64()?,
        utime_ns: reader.u64()?,
        stime_ns: reader.u64()?,
        runtime_ns: reader.u64()?,
        maxrss_pages: reader.u64()?,
        read_bytes: reader.u64()?,
        write_bytes: reader.u64()?,
        nvcsw: reader.u64()?,
        nivcsw: reader.u64()?,
        cgroup: reader.u64()?,
        tgid: reader.u32()?,
        ppid: reader.u32()?,
        uid: reader.u32()?,
        gid: reader.u32()?,
        status: reader.u32()?.cast_signed(),
        namespace_init: has(FLAG_NAMESPACE_INIT),
        comm: OsString::new(),
        parent_comm: OsString::new(),
        image: None,
        killer: None,
        oom: None,
    };
    let (exe_len, argv_len) = (reader.u16()?, reader.u16()?);
    let (killer_exe_len, killer_links) = (reader.u16()?, reader.u16()?);
    let (oom_len, _unused) = (reader.u16()?, reader.u16()?);
    exit.comm = reader.comm()?;
    exit.parent_comm = reader.comm()?;
    if has(FLAG_IMAGE) {
        let exe = reader.bytes(exe_len)?;
        exit.image = Some(Image {
            exe: (!has(FLAG_EXE_CUT) && !exe.is_empty()).then(|| path(exe)),
            argv: reader.bytes(argv_len)?,
            argv_cut: has(FLAG_ARGV_CUT),
        });
    }
    if has(FLAG_KILLER) {
        let is_cut = has(FLAG_KILLER_EXE_CUT);
        exit.killer = Some(killer(&mut reader, killer_exe_len, is_cut, killer_links)?);
    }
    if has(FLAG_OOM) {
        let (is_memcg, names) = (has(FLAG_OOM_MEMCG), reader.bytes(oom_len)?);
        exit.oom = Some(Oom {
            is_memcg,
            limit: (is_memcg && !has(FLAG_OOM_CUT)).then(|| path(names)),
        });
    }
    Some(exit)
}

fn killer(reader: &mut Reader<'_>, exe_len: u16, is_cut: bool, links: u16) -> Option<Killer> {
    let mut killer = Killer {
        cgroup: reader.u64()?,
        pid: reader.u32()?,
        uid: reader.u32()?,
        code: reader.u32()?.cast_signed(),
        signal: reader.u16()?,
        comm: OsString::new(),
        exe: None,
        links: Vec::new(),
    };
    let _weak = reader.u16()?;
    killer.comm = reader.comm()?;
    // Its own lengths, which the head of the record repeats.
    let _lengths = (reader.u32()?, reader.u32()?);
    let exe = reader.bytes(exe_len)?;
    killer.exe = (!is_cut && !exe.is_empty()).then(|| path(exe));
    for _ in 0..links {
        killer.links.push((reader.u32()?, reader.comm()?));
    }
    Some(killer)
}

/// Turns the names of a path, the last first, into the path.
fn path(names: &[u8]) -> OsString {
    let mut path = Vec::with_capacity(names.len() + 1);
    let ended = names.strip_suffix(&[0]).unwrap_or(names);
    if !ended.is_empty() {
        for name in ended.rsplit(|byte| *byte == 0) {
            path.push(b'/');
            path.extend(name);
        }
    }
    if path.is_empty() {
        path.push(b'/');
    }
    OsString::from_vec(path)
}

/// Turns a path into its names, the last first, each ended by a zero byte.
pub(super) fn names(path: &[u8]) -> Vec<u8> {
    let mut names = Vec::with_capacity(path.len() + 1);
    for name in path
        .rsplit(|byte| *byte == b'/')
        .filter(|it| !it.is_empty())
    {
        names.extend(name);
        names.push(0);
    }
    names
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn bytes(&mut self, len: u16) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(bytes)
    }

    fn comm(&mut self) -> Option<OsString> {
        let field = self.take::<COMM_BYTES>()?;
        let end = field
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(COMM_BYTES);
        Some(OsString::from_vec(field[..end].to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comm(text: &[u8]) -> [u8; COMM_BYTES] {
        let mut field = [0; COMM_BYTES];
        field[..text.len()].copy_from_slice(text);
        field
    }

    fn sample() -> Vec<u8> {
        let flags = FLAG_IMAGE
            | FLAG_KILLER
            | FLAG_OOM
            | FLAG_OOM_MEMCG
            | FLAG_ARGV_CUT
            | FLAG_NAMESPACE_INIT;
        let mut body = Vec::new();
        for word in 1_u64..=12 {
            body.extend(word.to_ne_bytes());
        }
        for word in [42_u32, 7, 1000, 100, 9] {
            body.extend(word.to_ne_bytes());
        }
        for len in [9_u16, 6, 4, 1, 8, 0] {
            body.extend(len.to_ne_bytes());
        }
        body.extend(comm(b"sl\xffeep"));
        body.extend(comm(b"sh"));
        body.extend(b"true\0bin\0");
        body.extend(b"true\0x");
        body.extend(77_u64.to_ne_bytes());
        for word in [8_u32, 0, 0xffff_fffa] {
            body.extend(word.to_ne_bytes());
        }
        body.extend([9_u16, 0].iter().flat_map(|it| it.to_ne_bytes()));
        body.extend(comm(b"killer"));
        body.extend([0; 8]);
        body.extend(b"k\0b\0");
        body.extend(1_u32.to_ne_bytes());
        body.extend(comm(b"init"));
        body.extend(b"job\0top\0");
        let mut bytes = Vec::new();
        bytes.extend(KIND_EXIT.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(u32::try_from(body.len() + 8).unwrap().to_ne_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn reads_all_parts_of_an_exit() {
        let bytes = sample();
        let Some(Record::Exit(exit)) = parse(&bytes) else {
            panic!("no exit");
        };
        assert_eq!(
            (exit.ino, exit.cgroup, exit.tgid, exit.status),
            (1, 12, 42, 9)
        );
        assert!(exit.namespace_init);
        assert_eq!(exit.comm, OsString::from_vec(b"sl\xffeep".to_vec()));
        let image = exit.image.unwrap();
        assert_eq!(image.exe, Some("/bin/true".into()));
        assert_eq!((image.argv, image.argv_cut), (&b"true\0x"[..], true));
        let killer = exit.killer.unwrap();
        assert_eq!((killer.pid, killer.signal, killer.code), (8, 9, -6));
        assert_eq!(killer.exe, Some("/b/k".into()));
        assert_eq!(killer.links, [(1, "init".into())]);
        let limit = Some("/top/job".into());
        assert_eq!(
            exit.oom,
            Some(Oom {
                is_memcg: true,
                limit
            })
        );
    }

    #[test]
    fn a_cut_record_is_none() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]), None, "cut to {len}");
        }
        let mut lying = bytes;
        lying[4..8].copy_from_slice(&60_u32.to_ne_bytes());
        assert_eq!(parse(&lying), None);
    }

    #[test]
    fn a_path_goes_both_ways() {
        for text in ["/", "/a", "/usr/bin/env", "/with blank/\u{e9}"] {
            let names = names(text.as_bytes());
            assert_eq!(path(&names), OsString::from(text));
        }
    }
}
