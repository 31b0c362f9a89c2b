"""Tools of other programs over the Model Context Protocol (MCP), and umi's own tools for other programs.

`mcp` itself is imported only where a server is really spoken to: a second of start-up that most questions do
without.
"""
