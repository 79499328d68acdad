//! What a recorder says when something is wrong, and that it goes on.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use exithand_testkit::{Need, User, copy_program, need, run_as};

use crate::common::{Ran, exithand, finish, run, start};
use crate::recorder::Recorder;

#[test]
fn a_second_recorder_is_refused_and_names_the_first() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let first = format!(
        "already, pid {}",
        recorder.handle().pid().unwrap().as_raw_nonzero()
    );
    let arguments = recorder.arguments();
    Ran::from(exithand().args(&arguments).output().unwrap())
        .exits(125)
        .complains(&first)
        .complains("--socket");
    // With a socket of its own, the store is still that of the first.
    let other = recorder.folder().join("other");
    let store = recorder.store();
    let mut second = exithand();
    second
        .arg("record")
        .arg("--store")
        .arg(store)
        .arg("--socket")
        .arg(&other);
    Ran::from(second.output().unwrap())
        .exits(125)
        .complains("is written by another recorder");
    recorder.dial().ask(r#"{"do":"status"}"#);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "precious").unwrap();
    let store = folder.path().join("history.db");
    let mut command = exithand();
    command
        .args(["record", "--socket"])
        .arg(&path)
        .arg("--store")
        .arg(store);
    Ran::from(command.output().unwrap())
        .exits(125)
        .complains("is no socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn wrong_usage_is_said() {
    for (args, words) in [
        (["--status", "nobody"], "no status policy"),
        (["--details", "everybody"], "group:NAME"),
        (["--details", "group:no-such-group"], "there is no group"),
        (["--keep", "0"], "no number of days"),
        (["--keep-size", "5"], "no size"),
        (["--metrics", "here"], "no address"),
        (["--source", "ebpf"], "no source"),
        (["--ready-fd", "99"], "--ready-fd 99"),
    ] {
        run(&[&["record"], &args[..]].concat())
            .exits(2)
            .complains(words);
    }
}

#[test]
fn without_privilege_it_says_what_is_missing() {
    need!(Need::OtherUsers);
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("exithand");
    copy_program(exithand().get_program(), &program);
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    std::os::unix::fs::chown(&own, Some(65534), Some(65534)).unwrap();
    std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).unwrap();
    let mut command = Command::new(&program);
    command
        .args(["record", "--source", "bpf", "--socket"])
        .arg(own.join("socket"));
    command.arg("--store").arg(own.join("history.db"));
    let ran = finish(start(&mut run_as(User::NOBODY, command)));
    ran.exits(125).complains("CAP_BPF").complains("run as root");
}

#[test]
fn a_damaged_store_is_set_aside() {
    need!(Need::Bpf);
    let mut recorder = Recorder::start(&[]);
    assert_eq!(recorder.end(), 0);
    let mut bytes = fs::read(recorder.store()).unwrap();
    for byte in bytes.iter_mut().skip(100) {
        *byte = 0x55;
    }
    fs::write(recorder.store(), bytes).unwrap();
    recorder.start_again(&[]);
    let said = recorder.complaint();
    assert!(said.contains("set aside"), "{said}");
    assert_eq!(recorder.dial().refusal(r#"{"do":"query"}"#), "request");
    assert_eq!(recorder.dial().ask(r#"{"do":"query","limit":0}"#).len(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    need!(Need::Bpf);
    let folder = tempfile::tempdir().unwrap();
    let mut command = exithand();
    command.args(["record", "--store", "/proc/exithand/history.db", "--socket"]);
    command.arg(folder.path().join("socket"));
    let mut child = start(&mut command);
    // It goes on without: the live stream needs no disk.
    let mut said = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    BufReader::new(stderr).read_line(&mut said).unwrap();
    drop(child.kill());
    child.wait().unwrap();
    assert!(said.contains("/proc/exithand"), "{said}");
}

#[test]
fn nonsense_is_refused_and_the_next_request_answered() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let mut client = recorder.dial();
    for request in ["", "{", "[]", r#"{"do":"fly"}"#, r#"{"do":"query"}"#] {
        assert_eq!(client.refusal(request), "request", "{request}");
    }
    let sorted = r#"{"do":"query","limit":5000,"order":"cpu"}"#;
    assert_eq!(client.refusal(sorted), "request");
    client.ask(r#"{"do":"status"}"#);
    let mut flood = recorder.dial();
    assert_eq!(flood.refusal(&"x".repeat(70_000)), "request");
    assert_eq!(flood.next(), None, "and it is hung up");
}

#[test]
fn a_flood_of_long_command_lines_is_kept_within_bounds() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let long = "y".repeat(64 << 10);
    for _ in 0..300 {
        let mut child = Command::new("true").arg(&long).spawn().unwrap();
        child.wait().unwrap();
    }
    let status = &recorder.dial().ask(r#"{"do":"status"}"#)[0];
    let seen = status["exits"].as_u64().unwrap();
    let lost = status["lost"].as_object().unwrap().values();
    let lost: u64 = lost.map(|count| count.as_u64().unwrap()).sum();
    assert!(seen + lost >= 300, "what is not seen is told: {status}");
}

#[test]
fn tells_a_service_manager_and_a_descriptor_that_it_is_ready() {
    need!(Need::Bpf);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("notify");
    let listener = UnixDatagram::bind(&place).unwrap();
    let (store, socket) = (
        folder.path().join("history.db"),
        folder.path().join("socket"),
    );
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        r#"exec 7>&1 >/dev/null; exec "$0" record --ready-fd 7 --store "$1" --socket "$2""#,
    ]);
    shell.arg(exithand().get_program()).arg(store).arg(socket);
    shell.env("NOTIFY_SOCKET", &place);
    let mut child = start(&mut shell);
    let mut said = String::new();
    // Read to its end: the recorder closes the descriptor.
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let mut message = [0; 256];
    let length = listener.recv(&mut message).unwrap();
    drop(child.kill());
    child.wait().unwrap();
    assert_eq!(said, "ready\n");
    assert!(message[..length].starts_with(b"READY=1\n"));
}

#[test]
fn prometheus_is_answered() {
    need!(Need::Bpf);
    // The kernel chooses a port that is free, and we take it after the kernel.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let _recorder = Recorder::start(&["--metrics", &port.to_string()]);
    Command::new("false").status().unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let text = get("/metrics");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    for line in [
        "exithand_exits_total{outcome=\"failure\"",
        "\nexithand_lost_total{cause=\"ring-full\"} 0\n",
        "\nexithand_source_info{source=\"bpf\"} 1\n",
        "\nexithand_store_lag_seconds ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(get("/").starts_with("HTTP/1.1 404"));
}

#[test]
fn gives_up_its_privileges_and_keeps_the_store() {
    need!(Need::Bpf, Need::OtherUsers);
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(65534), None).unwrap();
    let mut recorder = Recorder::start_in(folder, &["--user", "nobody"]);
    let pid = recorder.handle().pid().unwrap().as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in [
        "Uid:\t65534\t65534\t65534\t65534\n",
        "Groups:\t \n",
        "CapPrm:\t0000000000000000\n",
        "CapEff:\t0000000000000000\n",
        "NoNewPrivs:\t1\n",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let query = format!(
        r#"{{"do":"query","limit":1,"filter":{{"pids":[{}]}}}}"#,
        child.id()
    );
    assert_eq!(recorder.dial().records(&query)[0]["pid"], child.id());
    let store = fs::metadata(recorder.store()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&store), 65534);
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&store) & 0o777, 0o600);
    assert_eq!(recorder.end(), 0);
    recorder.start_again(&[]);
    assert_eq!(
        recorder.dial().records(&query).len(),
        1,
        "root takes it over"
    );
}
