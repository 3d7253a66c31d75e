"""What no page uses is left out of fonts and style sheets, and nothing else."""

import string

from book.finishing import prune
from book.mathematics import letters_by_font

CSS = (
    "@font-face{font-family:KaTeX_AMS;src:url(x.ttf)}.katex{font:normal 1.21em KaTeX_Main,serif}"
    ".katex .mathnormal{font-family:KaTeX_Math;font-style:italic}.katex .mathbf{font-family:KaTeX_Main;font-weight:700}"
    ".katex .amsrm,.katex .mathbb{font-family:KaTeX_AMS}.katex .delimsizing.size1{font-family:KaTeX_Size1}"
    ".katex .delimsizing.mult .delim-size1>span{font-family:KaTeX_Size1}"
)


def formula(inside):
    return (
        f'<p>text <span class="katex"><math><mi>m</mi></math><span class="katex-html">{inside}</span></span> text</p>'
    )


def test_each_letter_is_in_its_font():
    pages = [
        formula('<span class="mord mathnormal">x</span><span class="mrel">&lt;</span><span class="mord">1</span>'),
        formula('<span class="mord"><span class="mord mathbb">R</span><span class="vlist-s">\u200b</span></span>2'),
        formula('<span class="mord mathbf"><span class="a">w</span></span><svg><path d="M1"/></svg>3'),
        formula('<span class="delimsizing size1">(</span><span class="sizing size1">4</span>'),
        formula('<span class="delimsizing mult"><span class="delim-size1"><span>|</span></span></span>'),
        "<h2>Z\u00fcrich &amp; <em>bar</em></h2>",
    ]
    letters = letters_by_font(CSS, pages)
    assert letters["KaTeX_Main-Regular"] >= {*"<123\u200b", *"Z\u00fcrich &bar", *string.ascii_letters}
    assert "\u03b1" not in letters.pop("KaTeX_Main-Regular")
    assert letters == {
        "KaTeX_Math-Italic": {"x"},
        "KaTeX_AMS-Regular": {"R"},
        "KaTeX_Main-Bold": {"w"},
        "KaTeX_Size1-Regular": {"(", "|"},
    }


def test_rules_for_absent_classes_go():
    css = """
    /* .a {} */
    .a, .b { color: red }
    p > .a.c { margin: 0 }
    .a .d::before { content: "x" }
    :root { --a: 1.5em }
    @media print { .c { top: 0 } }
    @media screen { .c { top: 0 } p { top: 1px } }
    """
    kept = "".join(prune(css, {"a", "d"}).split())
    assert kept == '.a{color:red}.a.d::before{content:"x"}:root{--a:1.5em}@mediascreen{p{top:1px}}'


def test_a_rule_that_parentheses_may_need_stays():
    css = ".x:not(.gone), p:is(.a, .gone) { margin: 0 } .gone > :is(b, i), .gone { top: 0 } .gone { left: 0 }"
    kept = "".join(prune(css, {"a", "x"}).split())
    assert kept == ".x:not(.gone),p:is(.a,.gone){margin:0}.gone>:is(b,i){top:0}"


def test_selectors_that_a_browser_tries_on_every_element_name_what_they_are_for():
    css = "article[role=main] * { top: 0 } .katex *, .katex .a { top: 1px } .sd-row>*, .sd-row-cols-2>*, .a>* { top: 2px }"
    kept = "".join(prune(css, {"a", "katex", "sd-row", "sd-row-cols-2", "sd-col"}).split())
    assert kept == ".katex.a{top:1px}.sd-row>.sd-col,.sd-row-cols-2>.sd-col,.a>*{top:2px}"
