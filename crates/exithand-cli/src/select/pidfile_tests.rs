use super::*;

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::mknodat;
use tempfile::tempdir;

#[test]
fn reads_the_first_line() {
    for text in [
        &b"42"[..],
        b"42\n",
        b"  42\t\r\n",
        b"0042\n",
        b"42\nrest\xff\0",
        b"\x0c42",
    ] {
        assert_eq!(parse(text, 100), Ok(Pid::from_raw(42).unwrap()), "{text:?}");
    }
    assert_eq!(parse(b"100", 100), Ok(Pid::from_raw(100).unwrap()));
}

#[test]
fn refuses_what_is_no_pid_and_shows_it() {
    for text in [&b""[..], b"\n", b"  \n42\n", b"\n42"] {
        assert_eq!(parse(text, 100), Err(Wrong::Empty), "{text:?}");
    }
    for (text, shown) in [
        (&b"0"[..], "\"0\""),
        (b"-1\n", "\"-1\""),
        (b"+1", "\"+1\""),
        (b"101", "\"101\""),
        (b"99999999999999999999", "\"99999999999999999999\""),
        (b"42 43", "\"42 43\""),
        (b"0x2a", "\"0x2a\""),
        (b"pid \x1b[31m\xff\0", "\"pid \\x1b[31m\\xff\\x00\""),
        (
            &[b'x'; 50],
            "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...",
        ),
    ] {
        let found = shown.to_owned();
        assert_eq!(parse(text, 100), Err(Wrong::NotAPid { found, max: 100 }));
    }
}

#[test]
fn reads_a_file_through_a_link() {
    let dir = tempdir().unwrap();
    let [file, link] = ["file", "link"].map(|name| dir.path().join(name));
    fs::write(&file, "42\n").unwrap();
    symlink(&file, &link).unwrap();
    for path in [file, link] {
        assert_eq!(
            read_pidfile(&path, Lock::Ignored).unwrap(),
            Pid::from_raw(42).unwrap()
        );
    }
}

#[test]
fn every_error_names_the_file() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let fifo = path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::write(path("zeros"), vec![b'0'; 1 << 20]).unwrap();
    fs::write(path("huge"), "2147483648").unwrap();
    for (name, part) in [
        ("absent", "cannot read"),
        ("fifo", "no regular file"),
        (".", "no regular file"),
        ("empty", "no pid in its first line"),
        ("zeros", "\"0000000000000000000000000000000000000000\"..."),
        ("huge", "holds \"2147483648\""),
    ] {
        let file = path(name);
        let message = read_pidfile(&file, Lock::Ignored).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(message.contains(&file.display().to_string()), "{message}");
    }
    let device = read_pidfile(Path::new("/dev/zero"), Lock::Ignored);
    assert!(
        matches!(device, Err(PidfileError::NotRegular(_))),
        "{device:?}"
    );
}

#[test]
fn tells_whether_the_file_is_locked() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("pid");
    fs::write(&file, "42").unwrap();
    let read = || read_pidfile(&file, Lock::Required);
    assert!(matches!(read(), Err(PidfileError::NotLocked(_))));

    let daemon = File::open(&file).unwrap();
    flock(&daemon, FlockOperation::LockExclusive).unwrap();
    assert_eq!(read().unwrap(), Pid::from_raw(42).unwrap());

    flock(&daemon, FlockOperation::Unlock).unwrap();
    assert!(matches!(read(), Err(PidfileError::NotLocked(_))));
}

#[test]
fn reads_a_list_with_any_white_space() {
    let list = |text: &[u8]| pid_list(text).unwrap();
    assert_eq!(list(b""), [""; 0]);
    assert_eq!(list(b" \n\n"), [""; 0]);
    assert_eq!(list(b"1 2:3\t\r\n4~5@x\n"), ["1", "2:3", "4~5@x"]);
}

#[test]
fn refuses_lists_that_are_no_text_or_never_end() {
    let error = pid_list(&b"1 \xff2"[..]).unwrap_err();
    assert!(error.to_string().contains("\"\\xff2\""), "{error}");
    assert!(matches!(
        read_list(io::repeat(b'1'), 1000),
        Err(ListError::TooLong)
    ));
    assert_eq!(read_list(&b"12345"[..], 5).unwrap(), ["12345"]);
    assert!(matches!(
        read_list(&b"123456"[..], 5),
        Err(ListError::TooLong)
    ));
}

#[test]
fn stops_at_the_line_and_at_the_limit() {
    let mut text = Vec::new();
    read_line(&b"1\n2\n"[..], &mut text).unwrap();
    assert!(text.starts_with(b"1\n"));
    text.clear();
    read_line(io::repeat(b'1'), &mut text).unwrap();
    assert_eq!(text.len(), 4096);
}
