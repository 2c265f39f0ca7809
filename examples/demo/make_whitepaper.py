"""Write the demo's whitepaper PDFs, one per language, with the standard library alone.

    python examples/demo/make_whitepaper.py

Japanese text uses the predefined font HeiseiKakuGo-W5, which PDF readers supply themselves.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
WIDTH, HEIGHT, LEFT = 595, 842, 64
GREEN, TINT, SUN, INK, GREY = (
    "0.043 0.42 0.341",
    "0.184 0.612 0.51",
    "1 0.78 0.4",
    "0.075 0.13 0.114",
    "0.37 0.43 0.41",
)

FONTS = {
    "ja": "<< /Type /Font /Subtype /Type0 /BaseFont /HeiseiKakuGo-W5 /Encoding /UniJIS-UTF16-H /DescendantFonts "
    "[<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HeiseiKakuGo-W5 /CIDSystemInfo << /Registry (Adobe) "
    "/Ordering (Japan1) /Supplement 5 >> /DW 1000 /W [1 [278] 2 632 500] /FontDescriptor << /Type "
    "/FontDescriptor /FontName /HeiseiKakuGo-W5 /Flags 4 /FontBBox [-92 -250 1010 922] /ItalicAngle 0 /Ascent "
    "752 /Descent -271 /CapHeight 737 /StemV 114 >> >>] >>",
    "en": "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
}
TITLES = {
    "ja": ("アクメERP", "月次締めを3日にする", "在庫と原価の整え方",
           "架空の会社アクメERPによる、Kizashi のデモ用資料です。"),
    "en": ("Acme ERP", "Close the month in three days", "Getting stock and cost in order",
           "A demo document for Kizashi. Acme ERP is a made-up company."),
}  # fmt: skip
PAGES = {
    "ja": [
        ("1  締めを遅らせる三つの待ち時間", [
            "締めが遅い会社では、計算に時間がかかっているわけではありません。",
            "日数のほとんどは、次の三つの「待ち」で失われています。", "",
            "証憑待ち    請求書や納品書が、経理に届くまでの日数。",
            "確認待ち    差異の理由を、現場に聞いて返ってくるまでの日数。",
            "集計待ち    部門ごとの表を、一枚に合わせるまでの日数。", "",
            "まず一か月だけ、この三つを分けて記録してみてください。",
            "多くの会社で、最も長いのは確認待ちです。"]),
        ("2  棚卸しを月末から解放する", [
            "月末にすべてを数えるかわりに、毎日少しずつ数えます。", "",
            "・金額の大きい二割の品目は、月に二回。",
            "・よく動く三割の品目は、月に一回。",
            "・残りは、年に二回。", "",
            "小さな約束をひとつだけ決めます。",
            "「差異は、見つけた日のうちに理由をひとつ書く」。",
            "正しい理由でなくて構いません。翌日に直せば、翌月に残りません。"]),
        ("3  原価を日ごとに見る準備", [
            "細かくすることが目的ではありません。判断が変わる細かさで十分です。", "",
            "・品目は、値決めの単位まで。",
            "・工程は、外注と内製が分かれるところまで。",
            "・時間は、十五分の単位まで。", "",
            "三社の実例では、この三つを決めてから一か月で日ごとの原価が動き出し、",
            "三か月目に締めが三日になりました。"]),
    ],
    "en": [
        ("1  The three waits that delay a close", [
            "Slow companies do not calculate slowly.", "Most of the days are lost to three kinds of waiting.", "",
            "Papers      days until invoices and slips reach accounting.",
            "Checks      days until the floor explains a difference.",
            "Totals      days until every sheet is joined into one.", "",
            "For one month, record the three apart.", "In most companies the longest is the wait for checks."]),
        ("2  Free stocktaking from month-end", [
            "Instead of counting everything at once, count a little every day.", "",
            "-  The costliest fifth of the items, twice a month.", "-  The busiest third, once a month.",
            "-  Everything else, twice a year.", "", "Then make one small promise:",
            "a difference gets a reason on the day it is found.",
            "It need not be the right one. Corrected tomorrow, it is gone by next month."]),
        ("3  Getting ready for daily cost", [
            "Detail is not the aim. Fine enough to change a decision is enough.", "",
            "-  Items: down to the unit you price.",
            "-  Operations: down to where in-house and outside work part.",
            "-  Time: quarter hours.", "", "Three companies decided these three things, saw daily cost move",
            "a month later, and closed in three days in the third month."]),
    ],
}  # fmt: skip


def shown(text: str, lang: str) -> str:
    """A PDF string in the encoding of the language's font."""
    return f"<{text.encode('utf-16-be' if lang == 'ja' else 'cp1252').hex()}>"


def line(text: str, lang: str, *, x: float, y: float, size: float, colour: str) -> str:
    """One line of text at (x, y) points from the lower left corner."""
    return f"BT /F1 {size} Tf {colour} rg {x} {y} Td {shown(text, lang)} Tj ET"


def box(colour: str, *rectangle: float) -> str:
    """A filled rectangle: x, y, width, height."""
    return f"{colour} rg {' '.join(str(n) for n in rectangle)} re f"


def cover(lang: str) -> str:
    """The first page."""
    brand, title, subtitle, note = TITLES[lang]
    bars = [box(SUN if i == 4 else TINT, LEFT + i * 96, 0, 76, 90 + i * 62) for i in range(5)]
    size = 34 if lang == "ja" else 30
    return "\n".join([
        box(GREEN, 0, 0, WIDTH, HEIGHT), *bars,
        line(brand, lang, x=LEFT, y=752, size=13, colour="0.88 0.95 0.92"),
        line(title, lang, x=LEFT, y=640, size=size, colour="1 1 1"),
        line(subtitle, lang, x=LEFT, y=602, size=16, colour="0.88 0.95 0.92"),
        line(note, lang, x=LEFT, y=560, size=9, colour="0.75 0.88 0.83"),
    ])  # fmt: skip


def chapter(lang: str, number: int, heading: str, lines: list[str]) -> str:
    """An inner page."""
    body = [
        line(text, lang, x=LEFT, y=660 - i * 27, size=11.5, colour=INK)
        for i, text in enumerate(lines)
        if text
    ]
    return "\n".join([
        box(GREEN, LEFT, 742, 36, 4), line(heading, lang, x=LEFT, y=706, size=20, colour=GREEN), *body,
        line(f"{TITLES[lang][0]}    {number}", lang, x=LEFT, y=48, size=9, colour=GREY),
    ])  # fmt: skip


def document(lang: str) -> bytes:
    """The whole file."""
    streams = [cover(lang), *(chapter(lang, i, *page) for i, page in enumerate(PAGES[lang], start=2))]
    kids = " ".join(f"{5 + 2 * i} 0 R" for i in range(len(streams)))
    title = ("\ufeff" + TITLES[lang][1]).encode("utf-16-be").hex()
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /Lang ({lang}) /ViewerPreferences << /DisplayDocTitle true >> >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>", FONTS[lang], f"<< /Title <{title}> >>",
    ]  # fmt: skip
    for i, stream in enumerate(streams):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {6 + 2 * i} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    return assembled(objects)


def assembled(objects: list[str]) -> bytes:
    """Objects, their table and the trailer."""
    out = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode("ascii")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    tail = (
        f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer\n<< /Size {count} /Root 1 0 R /Info 4 0 R >>\n"
    )
    return out + f"{tail}startxref\n{len(out)}\n%%EOF\n".encode("ascii")


if __name__ == "__main__":
    for language in TITLES:
        (HERE / "files" / f"whitepaper.{language}.pdf").write_bytes(document(language))
