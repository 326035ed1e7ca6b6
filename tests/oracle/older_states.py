"""States that the foundation's release wrote, at its behaviour versions: a release after it must read them."""

from base64 import b85decode
from typing import Final

MATCHING_BEHAVIOUR: Final = 2
MATCHING: Final = b85decode(
    "lmY;em8U{fLoHQPM9u&YLO{*{9)y4blAHmfVsB!mZE0?0Eit51MNCYkOi4{iRHH{!L(c#J00LAC<N(eK>%sue01dmLtz&O;a%F5`"
    "bZKvHEiuju>%ss4oC2j|VRCP5rfq3%Wi2wJLRDF%Oi4{iRHH{!L(c#J00K@H0|3qi_2B@{01dmMz|IBr;Q#=Vk*jlMbRa@hLoHQP"
    "M3IuGLR3R7RZ~Qgqe4_eqg7Kx"
)
"""BTC-USD with a maker fee of 1 %, a taker fee of 2 % and a lot of 0.1; order 1, by which bob asks 100 for 2, and order
2, by which carol bids 99 for 1."""

RISK_BEHAVIOUR: Final = 1
RISK: Final = b85decode(
    "l>m~Jsbg<$baHQOEikELZ*FvQZ)`0wsbg<$baHQOEi$QNZ*FvQZ)`0ysbg<$baHQOEi{pmr$SUiEmc!QlA}UYL!(twM3JATLR3R7"
    "RZ~QxLR3SeRZ~R6&HxWWK+XUGhM>*>4?;lC00001Dh2WY&O4gQ0M7sbTJsQkKmg7Fn3jOf00Rv`&j0`b7f5#K0M7sb02K6V1OU$f"
    "000@Bg3JJrl9{DpY-wX<q(ebdNTxwUR7qAv0L>>5kdcz3RZ~RI0002!)TIyrk=y_k0HkecZe^!JR6{LQQ$(XeRavD>Nli&qqeoOj"
    "&j0`b7f5#K0L}&V;Q+#|LqSeMMND5#MOQ^rRL=kg3M3dFS8&e&000+AcIW`k00Rv`&j0`b7gS=Z0H;tzPDDvgN6rQH;Q#;tq)tyx"
    "MZmz2nWk-Fa%X97rcFUoM@demK|@qYRz=Po&1C@1ClHX4lA~2qM9%;K02fGh=m3zA"
)
"""Of `open_desk(alice={"USD": 10_000 * E8})`, a MARGIN account `margin` with 1,000 USD and a leverage of 5, and
`placed(client_order_id="mine")`."""
