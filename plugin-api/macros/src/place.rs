//! Where a mark stands, which only the source tells: a macro is given what it marks, and nothing around it.

use proc_macro::Span;
use quote::ToTokens;
use syn::{Block, ImplItem, Item, ItemFn, Signature};

/// Whether the source has this function in the `impl` of a type, and nowhere else. No, where the source cannot be read.
pub(crate) fn is_in_impl(function: &ItemFn) -> bool {
    let source = Span::call_site().local_file().and_then(|path| std::fs::read_to_string(path).ok());
    let Some(Ok(file)) = source.map(|source| syn::parse_file(&source)) else { return false };
    let (mut in_impl, mut free) = (false, false);
    let wanted = text(&function.sig, &function.block);
    let mut rest: Vec<&Item> = file.items.iter().collect();
    while let Some(item) = rest.pop() {
        match item {
            Item::Fn(other) => free |= text(&other.sig, &other.block) == wanted,
            Item::Impl(item) => {
                in_impl |= item.items.iter().any(|member| match member {
                    ImplItem::Fn(method) => text(&method.sig, &method.block) == wanted,
                    _ => false,
                });
            }
            Item::Mod(module) => rest.extend(module.content.iter().flat_map(|(_, items)| items)),
            _ => {}
        }
    }
    in_impl && !free
}

fn text(signature: &Signature, block: &Block) -> String {
    format!("{} {}", signature.to_token_stream(), block.to_token_stream())
}
