//! The reader of extension modules on arbitrary bytes: ELF, Mach-O and PE, and the code in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raceproof::audit::binary::claim::claim;
use raceproof::audit::binary::image::Image;
use raceproof::audit::binary::toolchain::toolchain;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = Image::parse(bytes) {
        let _ = toolchain(&image);
        for hook in image.hooks.iter().take(4) {
            let _ = claim(&image, hook);
        }
    }
});
