//! What was found a moment ago. Thousands of monitors of one host that fail at the same moment ask
//! the same of it: one of them looks, the others take what it finds. Without that a storm would be
//! a flood of connections to a host that is in trouble already.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use whydown_core::evidence::Control;

use super::Around;
use super::address::Question;

/// Whoever asks so long after a look began takes what it finds: no longer than a person calls "at
/// the same moment".
const FRESH: Duration = Duration::from_secs(1);
/// Looks remembered; the oldest are forgotten first.
const KEPT_MAX: usize = 256;

/// Looks that examinations share. Clones are the same.
#[derive(Clone, Default)]
pub struct Recent {
    looks: Arc<Looks>,
}

#[derive(Default)]
struct Looks {
    around: Memory<Question, Around>,
    controls: Memory<(), Vec<Control>>,
}

impl Recent {
    /// What is found around an address: by `look`, or by one that has just begun.
    pub(super) async fn around(
        &self,
        question: Question,
        look: impl Future<Output = Around>,
    ) -> Around {
        self.looks.around.get(question, look).await
    }

    /// The same of the controls.
    pub(super) async fn controls(&self, look: impl Future<Output = Vec<Control>>) -> Vec<Control> {
        self.looks.controls.get((), look).await
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recent")
    }
}

/// The newest looks of one kind, the oldest first.
struct Memory<Q, A>(Mutex<Vec<Look<Q, A>>>);

struct Look<Q, A> {
    question: Q,
    begun: Instant,
    answer: Arc<OnceCell<A>>,
}

impl<Q, A> Default for Memory<Q, A> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<Q: PartialEq, A: Clone> Memory<Q, A> {
    /// Should the one who looks be stopped, another one who waits looks in its stead.
    async fn get(&self, question: Q, look: impl Future<Output = A>) -> A {
        let answer = self.place(question, Instant::now());
        answer.get_or_init(|| look).await.clone()
    }

    /// Where the answer is, or will be.
    fn place(&self, question: Q, now: Instant) -> Arc<OnceCell<A>> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|look| now.duration_since(look.begun) < FRESH);
        if let Some(look) = looks.iter().find(|look| look.question == question) {
            return Arc::clone(&look.answer);
        }
        if looks.len() >= KEPT_MAX {
            looks.remove(0);
        }
        let answer = Arc::new(OnceCell::new());
        looks.push(Look { question, begun: now, answer: Arc::clone(&answer) });
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn who_waits_looks_when_the_one_who_looked_is_stopped() {
        let memory = Memory::<(), u8>::default();
        let mut stopped = Box::pin(memory.get((), pending()));
        let mut waits = Box::pin(memory.get((), async { 2 }));
        let context = &mut Context::from_waker(Waker::noop());
        assert!(stopped.as_mut().poll(context).is_pending());
        assert!(waits.as_mut().poll(context).is_pending(), "somebody looks already");
        drop(stopped);
        assert_eq!(waits.await, 2);
        assert_eq!(memory.get((), async { unreachable!() }).await, 2);
    }

    #[test]
    fn what_is_old_or_of_another_question_is_looked_at_anew() {
        let memory = Memory::<usize, ()>::default();
        let begun = Instant::now();
        let first = memory.place(1, begun);
        assert!(Arc::ptr_eq(&first, &memory.place(1, begun + FRESH / 2)));
        assert!(!Arc::ptr_eq(&first, &memory.place(2, begun)));
        assert!(!Arc::ptr_eq(&first, &memory.place(1, begun + FRESH)));
        let newest = 2 * KEPT_MAX;
        for question in 0..=newest {
            memory.place(question, begun + FRESH);
        }
        let kept: Vec<usize> = memory.0.lock().unwrap().iter().map(|look| look.question).collect();
        assert_eq!((kept.len(), kept.last()), (KEPT_MAX, Some(&newest)));
    }
}
