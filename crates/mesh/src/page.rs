//! Page sizes and tokens of list calls.

use tonic::Status;

use crate::status::invalid_argument;

/// The page size to use: the contract's default for zero, its maximum for more, an error for less than zero.
pub fn size(asked: i32, default: usize, max: usize) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(max)),
        Err(_) => Err(invalid_argument("page_size", "is not negative")),
    }
}

/// Cuts `items` at `size`, given that one more than `size` was asked for: the page, and whether there is more.
pub fn cut<T>(mut items: Vec<T>, size: usize) -> (Vec<T>, bool) {
    let more = items.len() > size;
    items.truncate(size);
    (items, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(size(0, 50, 500).unwrap(), 50);
        assert_eq!(size(7, 50, 500).unwrap(), 7);
        assert_eq!(size(i32::MAX, 50, 500).unwrap(), 500);
        assert!(size(-1, 50, 500).is_err());
    }

    #[test]
    fn one_more_than_the_page_says_that_there_is_more() {
        assert_eq!(cut(vec![1, 2, 3], 2), (vec![1, 2], true));
        assert_eq!(cut(vec![1, 2], 2), (vec![1, 2], false));
    }
}
