//! A cable with a length: what goes in at one tap comes out of the other after a delay.
//!
//! In user space because kernels without netem can't do it. One thread, frames in order; what
//! doesn't fit the queue is lost, as on a real line.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{PipeWriter, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::fail::OrFail as _;

/// Frames under way in one direction: 10 ms of a gigabit line are 800.
const FRAMES_MAX: usize = 20_000;
/// An Ethernet frame of 1500 bytes with headers and tags.
const FRAME_BYTES_MAX: usize = 2048;

/// A client's cable. Changes take effect for frames that enter it from then on.
#[derive(Debug)]
pub struct Cable {
    line: Arc<Line>,
    /// Closing it wakes and ends the thread.
    stop: Mutex<Option<(PipeWriter, JoinHandle<()>)>>,
}

#[derive(Debug, Default)]
struct Line {
    delay_ns: AtomicU64,
    cut: AtomicBool,
    /// Every how many-th frame is lost; 0 for none.
    lose_every: AtomicU32,
}

impl Cable {
    pub(super) fn start(ends: [File; 2], delay: Duration) -> Self {
        let (wake, stop) = std::io::pipe().or_fail("cannot make a pipe");
        let line = Arc::new(Line::default());
        let cable = Self { line: Arc::clone(&line), stop: Mutex::default() };
        cable.set_delay(delay);
        let name = thread::Builder::new().name("cable".into());
        let thread = name.spawn(move || {
            run_before_others();
            carry(&ends, &line, &wake);
        });
        let thread = thread.or_fail("cannot start the cable's thread");
        cable.stop.lock().or_fail("a lab thread panicked").replace((stop, thread));
        cable
    }

    /// The delay each way.
    pub fn set_delay(&self, each_way: Duration) {
        let nanoseconds = u64::try_from(each_way.as_nanos()).or_fail("a delay of centuries");
        self.line.delay_ns.store(nanoseconds, Ordering::Relaxed);
    }

    /// Cuts the cable (both ends still see a carrier, as through a dead switch) or mends it.
    pub fn set_cut(&self, cut: bool) {
        self.line.cut.store(cut, Ordering::Relaxed);
    }

    /// Loses every n-th frame of each direction; 0 for none.
    pub fn lose_every(&self, nth: u32) {
        self.line.lose_every.store(nth, Ordering::Relaxed);
    }

    /// Pulls the cable out for good.
    pub(super) fn stop(&self) {
        if let Some((stop, thread)) = self.stop.lock().ok().and_then(|mut stop| stop.take()) {
            drop(stop);
            let _ = thread.join();
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop();
    }
}

/// On a busy machine a frame would otherwise wait for a core and look like a slow network.
fn run_before_others() {
    let parameters = libc::sched_param { sched_priority: 1 };
    #[expect(unsafe_code, reason = "nix has no sched_setscheduler; the struct outlives the call")]
    // Without permission the line only keeps time less well.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
}

/// One direction.
#[derive(Default)]
struct Queue {
    frames: VecDeque<(Instant, Vec<u8>)>,
    count: u32,
}

/// Moves frames until the other end of `wake` is closed.
fn carry(ends: &[File; 2], line: &Line, wake: &std::io::PipeReader) {
    let mut queues = [Queue::default(), Queue::default()];
    loop {
        let due = queues.iter().filter_map(|queue| Some(queue.frames.front()?.0)).min();
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let mut polled = [
            PollFd::new(wake.as_fd(), PollFlags::POLLIN),
            PollFd::new(ends[0].as_fd(), PollFlags::POLLIN),
            PollFd::new(ends[1].as_fd(), PollFlags::POLLIN),
        ];
        let polling = ppoll(&mut polled, timeout.map(TimeSpec::from), None);
        let ready = polled.map(|fd| fd.any().unwrap_or(false));
        if polling.is_err() || ready[0] {
            return;
        }
        for (end, queue) in queues.iter_mut().enumerate() {
            if ready[end + 1] {
                queue.take_from(&ends[end], line);
            }
            queue.give_to(&ends[1 - end]);
        }
    }
}

impl Queue {
    fn take_from(&mut self, mut end: &File, line: &Line) {
        let mut frame = [0; FRAME_BYTES_MAX];
        // A tap that is down, or empty, gives an error; there is nothing to carry then.
        while let Ok(length) = end.read(&mut frame) {
            self.count = self.count.wrapping_add(1);
            let nth = line.lose_every.load(Ordering::Relaxed);
            let lost = nth != 0 && self.count.is_multiple_of(nth);
            if lost || line.cut.load(Ordering::Relaxed) || self.frames.len() >= FRAMES_MAX {
                continue;
            }
            let delay = Duration::from_nanos(line.delay_ns.load(Ordering::Relaxed));
            self.frames.push_back((Instant::now() + delay, frame[..length].to_vec()));
        }
    }

    fn give_to(&mut self, mut end: &File) {
        let now = Instant::now();
        while let Some((_, frame)) = self.frames.pop_front_if(|(due, _)| *due <= now) {
            // The other end may be down: then the frame is lost.
            let _ = end.write(&frame);
        }
    }
}
