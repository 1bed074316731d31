"""English words that claim nothing which a source would have to say, those about sources and answers among them."""

EMPTY = frozenset(
    {
        *("a", "about", "above", "according", "after", "again", "all", "also", "although", "always"),
        *("am", "an", "and", "another", "answer", "any", "are", "article", "as", "at", "based", "be"),
        *("because", "been", "before", "being", "below", "between", "both", "but", "by", "called"),
        *("can", "cannot", "context", "could", "did", "do", "document", "does", "done", "down"),
        *("during", "each", "either", "else", "even", "ever", "every", "few", "following", "for"),
        *("from", "further", "get", "gets", "given", "had", "has", "have", "having", "he", "her"),
        *("here", "hers", "him", "his", "how", "however", "i", "if", "in", "include", "includes"),
        *("including", "indeed", "information", "into", "is", "it", "its", "itself", "just", "known"),
        *("least", "less", "like", "many", "may", "me", "means", "mentioned", "mentions", "might"),
        *("more", "most", "much", "must", "my", "near", "never", "no", "nor", "not", "note", "now"),
        *("of", "off", "often", "on", "once", "only", "or", "other", "our", "out", "over", "own", "per"),
        *("please", "provided", "rather", "said", "same", "say", "says", "she", "should", "shows"),
        *("since", "so", "some", "source", "stated", "states", "such", "summary", "text", "than"),
        *("that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "though"),
        *("through", "thus", "to", "together", "too", "toward", "under", "until", "up", "upon", "us"),
        *("very", "was", "we", "well", "were", "what", "when", "where", "whether", "which", "while"),
        *("who", "whom", "whose", "why", "will", "with", "within", "without", "would", "yes", "yet"),
        *("you", "your"),
    }
)
