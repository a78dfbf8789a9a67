//! How many agents of one batch may run at once.
//!
//! Invariant: at least one and never more than the cap. An adaptive window rises by one and falls by half
//! (additive increase, multiplicative decrease: Chiu and Jain, 1989). This file does not know what runs.

/// The window of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    size: usize,
    cap: usize,
    adaptive: bool,
    /// Successes since the window last changed.
    successes: usize,
    /// How often the window has fallen.
    falls: u32,
}

impl Window {
    /// A window that is as large as the cap allows, and stays so.
    pub(super) fn fixed(size: usize) -> Self {
        let size = size.max(1);
        Self {
            size,
            cap: size,
            adaptive: false,
            successes: 0,
            falls: 0,
        }
    }

    /// A window for `tasks` tasks that follows how they fare, up to `cap`.
    pub(super) fn adaptive(tasks: usize, cap: usize) -> Self {
        Self {
            size: tasks.clamp(1, cap.max(1)),
            adaptive: true,
            ..Self::fixed(cap)
        }
    }

    /// How many may run at once.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Lets the window be at most so wide from now on.
    pub(super) fn limit(&mut self, cap: usize) {
        self.cap = cap.max(1);
        self.size = if self.adaptive {
            self.size.min(self.cap)
        } else {
            self.cap
        };
    }

    /// Which window a task starts in; to be handed to [`Self::timed_out`].
    pub(super) fn falls(&self) -> u32 {
        self.falls
    }

    /// A task succeeded. As many as the window is wide make it wider by one.
    pub(super) fn succeeded(&mut self) {
        if !self.adaptive {
            return;
        }
        self.successes += 1;
        if self.successes >= self.size {
            self.successes = 0;
            self.size = (self.size + 1).min(self.cap);
        }
    }

    /// An attempt that started after `falls` falls took too long. One that was under way when the window last
    /// fell is part of the same trouble, and does not make it fall again.
    pub(super) fn timed_out(&mut self, falls: u32) {
        if falls == self.falls {
            self.fall();
        }
    }

    /// The queue came under pressure.
    pub(super) fn pressed(&mut self) {
        self.fall();
    }

    fn fall(&mut self) {
        if self.adaptive {
            self.size = (self.size / 2).max(1);
            self.successes = 0;
            self.falls = self.falls.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // covers: E1
    #[test]
    fn a_window_rises_by_one_and_falls_by_half() {
        let mut window = Window::adaptive(50, 8);
        assert_eq!(window.size(), 8);
        window.timed_out(window.falls());
        assert_eq!(window.size(), 4);
        for _ in 0..3 {
            window.succeeded();
        }
        assert_eq!(window.size(), 4, "three successes are not a window of four");
        window.succeeded();
        assert_eq!(window.size(), 5);
        window.pressed();
        assert_eq!(window.size(), 2);
        assert_eq!(Window::adaptive(3, 8).size(), 3, "no wider than needed");
        assert_eq!(Window::adaptive(0, 8).size(), 1);
    }

    #[test]
    fn what_times_out_together_counts_once() {
        let mut window = Window::adaptive(8, 8);
        let together = window.falls();
        for _ in 0..8 {
            window.timed_out(together);
        }
        assert_eq!(window.size(), 4);
        window.timed_out(window.falls());
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn a_fixed_window_stays() {
        let mut window = Window::fixed(4);
        window.timed_out(0);
        window.pressed();
        (0..100).for_each(|_| window.succeeded());
        assert_eq!(window, Window::fixed(4));
    }

    #[test]
    fn a_smaller_limit_holds_at_once() {
        let mut window = Window::adaptive(8, 8);
        window.limit(2);
        assert_eq!(window.size(), 2);
        window.limit(8);
        assert_eq!(window.size(), 2, "it grows again as it does");
        let mut window = Window::fixed(8);
        window.limit(2);
        assert_eq!(window.size(), 2);
        window.limit(8);
        assert_eq!(window.size(), 8);
    }

    proptest! {
        #[test]
        fn no_history_leaves_the_bounds(tasks in 0_usize..50, cap in 1_usize..20, history in proptest::collection::vec(0_u8..4, 0..200)) {
            let mut window = Window::adaptive(tasks, cap);
            for event in history {
                let before = window.size();
                match event {
                    0 => window.timed_out(window.falls()),
                    1 => window.pressed(),
                    _ => window.succeeded(),
                }
                prop_assert!((1..=cap).contains(&window.size()));
                let after = window.size();
                prop_assert!(after == before || after == before + 1 || after == (before / 2).max(1));
            }
        }

        #[test]
        fn success_alone_reaches_the_cap(cap in 1_usize..20) {
            let mut window = Window::adaptive(1, cap);
            // 1 + 2 + … + (cap - 1) successes are what it takes.
            (0..cap * (cap - 1) / 2).for_each(|_| window.succeeded());
            prop_assert_eq!(window.size(), cap);
        }
    }
}
