//! Decodes what the kernel asks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::RawNode;

const HEADER_BYTES: usize = 40;

/// The bytes are no request that this version of the protocol knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Who asks, and about what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number of the request, for the reply.
    pub(crate) unique: u64,
    pub(crate) node: RawNode,
    /// The filesystem user and group id of the caller, in the mount's user namespace.
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The calling thread, in the mount's pid namespace; 0 where it has no number there.
    pub(crate) tid: u32,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) header: Header,
    pub(crate) operation: Operation<'a>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    Init {
        major: u32,
        minor: u32,
        flags: u32,
    },
    Lookup(&'a OsStr),
    Forget {
        lookups: u64,
    },
    /// Pairs of node and number of lookups, to be read with [`Operation::forgets`].
    BatchForget(&'a [u8]),
    GetAttr,
    ReadLink,
    Open {
        flags: u32,
    },
    Read {
        file: u64,
        size: u32,
        /// The flags the open file has now, which `fcntl` may have changed.
        flags: u32,
    },
    Release {
        file: u64,
    },
    OpenDir,
    ReadDir {
        file: u64,
        offset: u64,
        size: u32,
    },
    ReleaseDir {
        file: u64,
    },
    Poll {
        file: u64,
        /// The kernel's name for the open file, for the notification.
        kernel_file: u64,
        notify: bool,
    },
    Interrupt {
        unique: u64,
    },
    Access {
        mask: u32,
    },
    StatFs,
    Destroy,
    /// Would change something.
    Change,
    Ioctl,
    Unknown,
}

impl<'a> Request<'a> {
    /// Decodes one request, as one read of `/dev/fuse` gives it.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let length = usize::try_from(u32_at(bytes, 0)?).unwrap_or(usize::MAX);
        let body = bytes.get(HEADER_BYTES..length).ok_or(Malformed)?;
        let header = Header {
            unique: u64_at(bytes, 8)?,
            node: u64_at(bytes, 16)?,
            uid: u32_at(bytes, 24)?,
            gid: u32_at(bytes, 28)?,
            tid: u32_at(bytes, 32)?,
        };
        let operation = operation(u32_at(bytes, 4)?, body)?;
        Ok(Self { header, operation })
    }
}

impl Operation<'_> {
    /// Reads the pairs of a [`Operation::BatchForget`].
    pub(crate) fn forgets(body: &[u8]) -> impl Iterator<Item = (RawNode, u64)> {
        body.chunks_exact(16)
            .filter_map(|pair| Some((u64_at(pair, 0).ok()?, u64_at(pair, 8).ok()?)))
    }
}

fn operation(opcode: u32, body: &[u8]) -> Result<Operation<'_>, Malformed> {
    Ok(match opcode {
        1 => Operation::Lookup(name(body)?),
        2 => Operation::Forget {
            lookups: u64_at(body, 0)?,
        },
        3 => Operation::GetAttr,
        5 => Operation::ReadLink,
        14 => Operation::Open {
            flags: u32_at(body, 0)?,
        },
        15 => Operation::Read {
            file: u64_at(body, 0)?,
            size: u32_at(body, 16)?,
            flags: u32_at(body, 32)?,
        },
        17 => Operation::StatFs,
        18 => Operation::Release {
            file: u64_at(body, 0)?,
        },
        26 => Operation::Init {
            major: u32_at(body, 0)?,
            minor: u32_at(body, 4)?,
            flags: u32_at(body, 12)?,
        },
        27 => Operation::OpenDir,
        28 => Operation::ReadDir {
            file: u64_at(body, 0)?,
            offset: u64_at(body, 8)?,
            size: u32_at(body, 16)?,
        },
        29 => Operation::ReleaseDir {
            file: u64_at(body, 0)?,
        },
        34 => Operation::Access {
            mask: u32_at(body, 0)?,
        },
        36 => Operation::Interrupt {
            unique: u64_at(body, 0)?,
        },
        38 => Operation::Destroy,
        39 => Operation::Ioctl,
        40 => Operation::Poll {
            file: u64_at(body, 0)?,
            kernel_file: u64_at(body, 8)?,
            notify: u32_at(body, 16)? & 1 != 0,
        },
        42 => Operation::BatchForget(body.get(8..).ok_or(Malformed)?),
        // Set attributes, make, remove, rename and link entries, write, set extended attributes,
        // create, allocate, rename with flags, copy, make unnamed files.
        4 | 6 | 8..=13 | 16 | 21 | 24 | 35 | 43 | 45 | 47 | 51 => Operation::Change,
        _ => Operation::Unknown,
    })
}

/// Says what is in a message, down to its last part.
pub(crate) fn describe(bytes: &[u8]) -> String {
    match Request::parse(bytes) {
        Ok(request) => match request.operation {
            Operation::BatchForget(body) => {
                format!("{:?}", Operation::forgets(body).collect::<Vec<_>>())
            }
            _ => format!("{request:?}"),
        },
        Err(malformed) => format!("{malformed:?}"),
    }
}

/// A name ends with a zero byte.
fn name(body: &[u8]) -> Result<&OsStr, Malformed> {
    let end = body.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
    Ok(OsStr::from_bytes(&body[..end]))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map(|it| u32::from_ne_bytes(*it)).ok_or(Malformed)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Malformed> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map(|it| u64::from_ne_bytes(*it)).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A request as the kernel lays it out.
    fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + body.len()).unwrap();
        let mut bytes = Vec::new();
        for field in [length, opcode] {
            bytes.extend(field.to_ne_bytes());
        }
        for field in [7_u64, 33] {
            bytes.extend(field.to_ne_bytes());
        }
        for field in [1000_u32, 100, 4242, 0] {
            bytes.extend(field.to_ne_bytes());
        }
        bytes.extend(body);
        bytes
    }

    #[test]
    fn reads_who_asks_and_what() {
        let bytes = request(1, b"4242\0");
        let parsed = Request::parse(&bytes).unwrap();
        assert_eq!(
            parsed.header,
            Header {
                unique: 7,
                node: 33,
                uid: 1000,
                gid: 100,
                tid: 4242
            }
        );
        assert_eq!(parsed.operation, Operation::Lookup(OsStr::new("4242")));
    }

    #[test]
    fn reads_the_flags_an_open_file_has_now() {
        let mut body = [0; 40];
        body[0..8].copy_from_slice(&5_u64.to_ne_bytes());
        body[16..20].copy_from_slice(&128_u32.to_ne_bytes());
        body[32..36].copy_from_slice(&0o4000_u32.to_ne_bytes());
        let read = Operation::Read {
            file: 5,
            size: 128,
            flags: 0o4000,
        };
        let bytes = request(15, &body);
        assert_eq!(Request::parse(&bytes).unwrap().operation, read);
    }

    #[test]
    fn refuses_half_a_request_and_survives_any_opcode() {
        let whole = request(15, &[0; 40]);
        for end in 0..whole.len() {
            assert_eq!(Request::parse(&whole[..end]), Err(Malformed), "{end} bytes");
        }
        for opcode in 0..100 {
            // Whatever it is, nothing of the body is read beyond its end.
            let bytes = request(opcode, b"");
            let parsed = Request::parse(&bytes);
            assert!(parsed.is_err() || parsed.is_ok_and(|it| it.header.unique == 7));
        }
        let unknown = request(99, b"anything");
        assert_eq!(
            Request::parse(&unknown).unwrap().operation,
            Operation::Unknown
        );
        let endless = request(1, b"no end");
        assert_eq!(Request::parse(&endless), Err(Malformed));
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in vec(any::<u8>(), 0..200)) {
            describe(&bytes);
        }

        /// With a header that is whole, so that the body is looked at.
        #[test]
        fn survives_any_body(opcode in 0_u32..60, body in vec(any::<u8>(), 0..200)) {
            let bytes = request(opcode, &body);
            if let Ok(parsed) = Request::parse(&bytes) {
                prop_assert_eq!(parsed.header.unique, 7);
            }
            describe(&bytes);
        }

        /// A length that is a lie takes nothing from beyond the bytes.
        #[test]
        fn survives_any_length(length: u32, opcode in 0_u32..60) {
            let mut bytes = request(opcode, &[1; 64]);
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            let whole = usize::try_from(length).is_ok_and(|it| it <= bytes.len());
            prop_assert!(whole || Request::parse(&bytes) == Err(Malformed));
        }
    }

    #[test]
    fn reads_many_forgets() {
        let mut body = Vec::new();
        for field in [2_u64, 16, 1, 32, 5] {
            body.extend(field.to_ne_bytes());
        }
        let bytes = request(42, &body);
        let Operation::BatchForget(pairs) = Request::parse(&bytes).unwrap().operation else {
            panic!("not a batch");
        };
        let forgets: Vec<_> = Operation::forgets(pairs).collect();
        assert_eq!(forgets, [(16, 1), (32, 5)]);
    }
}
