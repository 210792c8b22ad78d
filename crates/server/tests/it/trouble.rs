//! What can be wrong with the data directory, and what the server says and keeps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use whydown_lab::{Host, Receiver};
use whydown_server::serve::Running;
use whydown_server::store::Store;

use crate::support::{
    PATIENCE, around, at, config, eventually, fine, monitor, once, refused, scratch, start, webhook,
};

/// A file system of its own; needs root.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path, options: &str) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .status()
            .unwrap();
        assert!(mounted.success(), "mounting a tmpfs needs root");
        Self(at)
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

async fn refusal(dir: &Path) -> String {
    let refused = Running::start_in(config(dir, &[], &[]), around()).await;
    refused.map(|_| ()).unwrap_err().to_string()
}

#[tokio::test]
async fn the_data_directory_is_for_its_owner_only() {
    let dir = scratch();
    let data = dir.path().join("a/b");
    let running = start(config(&data, &[], &[])).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    running.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused_and_told_who_is_there() {
    let dir = scratch();
    let running = start(config(dir.path(), &[], &[])).await;
    let said = refusal(dir.path()).await;
    let expected = format!(
        "{} is in use by another whydown serve (process {}); stop it, or give this one its own \
         --data directory",
        dir.path().display(),
        std::process::id()
    );
    assert_eq!(said, expected);
    // Commands that administer may look in all the same.
    Store::open(dir.path()).await.unwrap().close().await;
    running.stop().await;
    start(config(dir.path(), &[], &[])).await.stop().await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_one_clear_error() {
    let dir = scratch();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let said = refusal(&file.join("data")).await;
    assert!(said.starts_with(&format!("cannot make {}", file.join("data").display())), "{said}");
    assert!(said.contains("Not a directory") && said.contains("--data"), "{said}");
    let read_only = dir.path().join("read-only");
    fs::create_dir(&read_only).unwrap();
    let _mount = Mount::new(&read_only, "ro,size=1m");
    let said = refusal(&read_only).await;
    assert!(said.starts_with("cannot lock ") && said.contains("Read-only file system"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = scratch();
    let file = dir.path().join("whydown.db");
    let garbage = "this is not a database\n".repeat(1_000);
    fs::write(&file, &garbage).unwrap();
    let said = refusal(dir.path()).await;
    assert!(said.starts_with(&format!("{} is damaged (", file.display())), "{said}");
    assert!(said.contains("Restore it from a backup"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), garbage);
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_start_and_nothing_is_deleted() {
    let dir = scratch();
    let running = start(config(dir.path(), &[monitor("shop", &[])], &[])).await;
    for i in 0..2_000 {
        running.report(once("shop", i * 30)).await;
    }
    running.stop().await;
    let file = dir.path().join("whydown.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 8_192].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    let said = refusal(dir.path()).await;
    assert!(said.starts_with(&format!("{} is damaged (", file.display())), "{said}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_one_clear_error() {
    let dir = scratch();
    let mount = Mount::new(dir.path(), "size=64k");
    fs::write(dir.path().join("filler"), vec![0; 60 << 10]).unwrap();
    let said = refusal(dir.path()).await;
    assert!(said.starts_with("the disk that holds ") && said.ends_with("make room"), "{said}");
    drop(mount);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_stops_no_check_and_everything_is_stored_when_there_is_room() {
    let dir = scratch();
    let mount = Mount::new(dir.path(), "size=4m");
    let receiver = Receiver::start(&Host::machine(), 0);
    let channels = [webhook("ops", &receiver.url("/"))];
    let running = start(config(dir.path(), &[monitor("shop", &["ops"])], &channels)).await;
    running.report(once("shop", 0)).await;
    running.settled().await;
    let filler = dir.path().join("filler");
    fill(&filler);
    let app = running.app();
    let mut second = 10;
    while app.health().storage.is_none() {
        assert!(second < 20_000, "the disk never filled up");
        running.report(once("shop", second)).await;
        running.settled().await;
        second += 1;
    }
    running.report(refused("shop", 30_000)).await;
    let trouble = eventually("the trouble to show", async || app.health().storage).await;
    assert!(trouble.contains("is full; make room"), "{trouble}");
    assert!(trouble.contains("wait in memory"), "{trouble}");
    running.settled().await;
    let shown = app.status("shop").unwrap();
    assert!(shown.standing.incident.is_some(), "pages show what goes on");
    assert!(receiver.requests().is_empty(), "nothing is told before it is stored");
    let refused_edit = app.create_monitor(monitor("blog", &[])).await.unwrap_err().to_string();
    assert!(refused_edit.contains("is full; make room"), "{refused_edit}");
    fs::remove_file(&filler).unwrap();
    receiver.wait_for(1, PATIENCE);
    assert_eq!(app.health().storage, None);
    running.report(fine("shop", 30_060)).await;
    receiver.wait_for(2, PATIENCE);
    running.settled().await;
    let stored = app.store().observations("shop", None, 1_000).await.unwrap();
    let mut seconds: Vec<i64> =
        stored.iter().map(|seen| seen.observation.at.as_second() - at(0).as_second()).collect();
    seconds.reverse();
    let mut expected = vec![0];
    expected.extend((10..second).chain(30_000..30_003).chain(30_060..30_063));
    assert_eq!(seconds, expected);
    running.stop().await;
    drop(mount);
}

/// Leaves no room at all.
fn fill(file: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(file).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
}
