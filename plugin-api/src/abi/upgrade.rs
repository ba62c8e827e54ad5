//! From the address of a symbol to tables that were checked.

use abi_stable::library::{AbiHeaderRef, LibHeader};

use super::PluginV1Ref;

/// The header of a library's root module.
///
/// # Errors
///
/// If the library was made with another version of `abi_stable`; the text is for a debug log.
///
/// # Safety
///
/// `symbol` is the address of a header, in a library that is never unloaded.
pub unsafe fn upgrade(symbol: *const ()) -> Result<&'static LibHeader, String> {
    // SAFETY: an `AbiHeaderRef` is the address of a header.
    let header = unsafe { std::mem::transmute::<*const (), AbiHeaderRef>(symbol) };
    header.upgrade().map_err(|error| error.to_string())
}

/// The root module of version 1 behind a header.
///
/// # Errors
///
/// If its layout is another one; the text is for a debug log.
pub fn root(header: &'static LibHeader) -> Result<PluginV1Ref, String> {
    header.init_root_module::<PluginV1Ref>().map_err(|error| error.to_string())
}
